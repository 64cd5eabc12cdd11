//! Small cases; the large ones are the corpus.
