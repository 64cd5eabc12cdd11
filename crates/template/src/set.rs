//! A set of named templates, as one chart or one `tpl` call sees it.
//!
//! It must not know where template files come from.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Template, is_blank};

/// Named templates. A later one replaces an earlier one of its name, unless it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Set {
    templates: HashMap<Arc<str>, Arc<Template>>,
}

impl Set {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was parsed from a text, in order.
    pub fn add(&mut self, templates: &[Arc<Template>]) {
        for template in templates {
            let is_blank = is_blank(&template.body, &template.source.text);
            if is_blank && self.templates.contains_key(&*template.name) {
                continue;
            }
            self.templates
                .insert(Arc::from(&*template.name), Arc::clone(template));
        }
    }

    /// Adds what was parsed from a file: what it defines, and the file itself under a name.
    pub fn add_file(&mut self, name: &str, templates: &[Arc<Template>]) {
        if let Some((file, defined)) = templates.split_last() {
            self.add(defined);
            let is_blank = is_blank(&file.body, &file.source.text);
            if !is_blank || !self.templates.contains_key(name) {
                self.templates.insert(Arc::from(name), Arc::clone(file));
            }
        }
    }

    /// The template of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Template>> {
        self.templates.get(name)
    }
}
