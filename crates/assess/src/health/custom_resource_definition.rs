//! CustomResourceDefinitions: established, with the names that they asked for.

use holdfast_model::Value;

use super::{Verdict, conditions};

pub(super) fn judge(live: &Value) -> Verdict {
    let refused = conditions::find(live, "NamesAccepted").filter(|names| names.status == "False");
    if let Some(names) = refused {
        return Verdict::degraded(names.text());
    }
    match conditions::find(live, "Established") {
        Some(established) if established.status == "True" => Verdict::healthy(),
        _ => Verdict::progressing("not established yet"),
    }
}
