//! Chance as an input: streams of bytes derived from the entropy that a render is given.
//!
//! It must not use any other source. The same entropy, file and order of calls give the same
//! bytes, so a generated password stays until somebody asks for another.

use sha2::{Digest as _, Sha256};

/// A stream of bytes for one file of templates.
pub(crate) struct Chance {
    entropy: [u8; 32],
    key: [u8; 32],
    calls: u64,
    block: u64,
    pool: Vec<u8>,
}

impl Chance {
    pub(crate) fn new(entropy: [u8; 32]) -> Self {
        Self {
            entropy,
            key: entropy,
            calls: 0,
            block: 0,
            pool: Vec::new(),
        }
    }

    /// Starts the stream of a file, so that a change in one file leaves the others as they were.
    pub(crate) fn begin(&mut self, file: &str) {
        let mut hasher = Sha256::new();
        hasher.update(self.entropy);
        hasher.update(file.as_bytes());
        self.key = hasher.finalize().into();
        self.calls = 0;
        self.restart();
    }

    /// Starts the stream of one call: how much the one before it took does not matter.
    pub(crate) fn call(&mut self) -> &mut Self {
        self.calls += 1;
        self.restart();
        self
    }

    fn restart(&mut self) {
        self.block = 0;
        self.pool.clear();
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.byte();
        }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        if let Some(byte) = self.pool.pop() {
            return byte;
        }
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(self.calls.to_le_bytes());
        hasher.update(self.block.to_le_bytes());
        self.block += 1;
        self.pool.extend_from_slice(&hasher.finalize());
        self.pool.pop().unwrap_or_default()
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below a bound, each as likely as the others.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // What lies in the last, incomplete round of the bound is drawn again.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.number();
            if number < limit {
                return number % bound;
            }
        }
    }
}
