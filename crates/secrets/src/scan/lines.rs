//! What shows itself in any text by its form: private keys and tokens.

use std::sync::LazyLock;

use holdfast_go::regexp::{Regex, compile};

use super::{Finding, Kind};

/// The most bytes of a line that are looked at: what is longer is no text that people write.
const LINE: usize = 64 << 10;

/// Forms of tokens, and whose they are.
const TOKENS: [(&str, &str); 16] = [
    (r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", "an access key of AWS"),
    (r"\bgh[pousr]_[A-Za-z0-9]{36,}\b", "a token of GitHub"),
    (r"\bgithub_pat_[A-Za-z0-9_]{60,}\b", "a token of GitHub"),
    (r"\bglpat-[A-Za-z0-9_-]{20,}", "a token of GitLab"),
    (r"\bxox[abprs]-[A-Za-z0-9-]{20,}", "a token of Slack"),
    (
        r"https://hooks\.slack\.com/services/T[A-Za-z0-9_/]{20,}",
        "a webhook of Slack",
    ),
    (r"\b[sr]k_live_[A-Za-z0-9]{20,}\b", "a key of Stripe"),
    (r"\bAIza[0-9A-Za-z_-]{35}\b", "an API key of Google"),
    (r"\bya29\.[0-9A-Za-z_-]{30,}", "a token of Google"),
    (r"\bnpm_[A-Za-z0-9]{36}\b", "a token of npm"),
    (
        r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}",
        "a token of PyPI",
    ),
    (r"\bhvs\.[A-Za-z0-9_-]{24,}", "a token of Vault"),
    (r"\bdop_v1_[a-f0-9]{64}\b", "a token of DigitalOcean"),
    (
        r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b",
        "a key of SendGrid",
    ),
    (r"\bsk-ant-[A-Za-z0-9_-]{40,}", "a key of Anthropic"),
    (
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",
        "a JSON web token",
    ),
];

struct Forms {
    private_key: Option<Regex>,
    tokens: Vec<(Regex, &'static str)>,
}

static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let form = |text: &str| compile(text, 4 << 20).ok();
    Forms {
        private_key: form(
            r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----|\bAGE-SECRET-KEY-(PQ-)?1[0-9A-Z]{40,}",
        ),
        tokens: TOKENS
            .iter()
            .filter_map(|(text, whose)| Some((form(text)?, *whose)))
            .collect(),
    }
});

pub(super) fn scan(text: &str) -> Vec<Finding> {
    let forms = &*FORMS;
    let mut findings: Vec<Finding> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.len() > LINE {
            continue;
        }
        if findings.len() >= super::MOST_FINDINGS {
            break;
        }
        let is_key = |form: &Regex| form.is_match(text);
        if forms.private_key.as_ref().is_some_and(is_key) {
            add(&mut findings, line, Kind::PrivateKey, "a private key");
        }
        for (form, whose) in &forms.tokens {
            if form.is_match(text) {
                add(&mut findings, line, Kind::Token, whose);
            }
        }
    }
    findings
}

fn add(findings: &mut Vec<Finding>, line: u32, kind: Kind, what: &str) {
    let before = findings.iter().filter(|finding| finding.what == what);
    let place = format!("{what} #{}", before.count() + 1);
    findings.push(Finding {
        line,
        kind,
        what: what.to_owned(),
        place,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_can_be_compiled() {
        assert_eq!(FORMS.tokens.len(), TOKENS.len());
        assert!(FORMS.private_key.is_some());
    }
}
