//! Wire types: the dialects that intents are written in, converted to the model by hand.
