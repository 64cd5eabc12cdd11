//! The protobuf form of built-in types: which number stands for which field.
//! It must not know how bytes are read.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("../data/protobuf.txt");

/// A message.
#[derive(Debug, Default)]
pub struct Message {
    fields: Vec<MessageField>,
}

/// A field of a message.
#[derive(Debug)]
pub struct MessageField {
    number: u64,
    /// Its name, as JSON has it but for the case of letters.
    pub name: &'static str,
    /// The message that it is, where that is one of the same package: what Go embeds stands in
    /// JSON among the fields of the message around it.
    pub message: Option<&'static str>,
}

impl Message {
    /// The message of a type, by its short name, such as `core.v1.Pod`.
    pub fn named(name: &str) -> Option<&'static Message> {
        static MESSAGES: OnceLock<HashMap<&'static str, Message>> = OnceLock::new();
        MESSAGES.get_or_init(read).get(name)
    }

    /// The field of a number.
    pub fn field(&self, number: u64) -> Option<&MessageField> {
        self.fields.iter().find(|field| field.number == number)
    }
}

fn read() -> HashMap<&'static str, Message> {
    let mut messages = HashMap::new();
    let mut current: Option<&'static str> = None;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("M ") {
            messages.insert(name, Message::default());
            current = Some(name);
            continue;
        }
        let mut words = line.split(' ');
        let number = words.next().and_then(|number| number.parse().ok());
        let (Some(number), Some(name)) = (number, words.next()) else {
            continue;
        };
        let message = words.next().and_then(|word| word.strip_prefix('>'));
        if let Some(message_of) = current.and_then(|current| messages.get_mut(current)) {
            message_of.fields.push(MessageField {
                number,
                name,
                message,
            });
        }
    }
    messages
}
