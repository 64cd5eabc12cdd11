//! `metadata.managedFields`: who owns which fields. It must not know how ownership changes.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_model::object::ManagerOperation;
use serde_json::json;

use crate::fields::{FieldSet, FieldSetError};

/// What tells one entry of `managedFields` from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerKey {
    /// The manager's name.
    pub name: String,
    /// Whether it applies.
    pub applies: bool,
    /// The API version, for managers that do not apply.
    pub api_version: String,
    /// The subresource that it writes through; empty for the object itself.
    pub subresource: String,
}

/// What a manager owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// The API version of the fields.
    pub api_version: String,
    /// The fields.
    pub fields: FieldSet,
    /// When the manager last changed something, RFC 3339.
    pub time: Option<String>,
}

/// All managers of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Managers(pub BTreeMap<ManagerKey, Owned>);

/// Why `managedFields` cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManagersError {
    /// An entry's operation is neither `Apply` nor `Update`.
    #[error(
        "metadata.managedFields[{index}].operation: Invalid value: {operation:?}: must be `Apply` or `Update`"
    )]
    Operation {
        /// The entry.
        index: usize,
        /// What it says.
        operation: String,
    },
    /// An entry's fields are of another form than `FieldsV1`.
    #[error(
        "metadata.managedFields[{index}].fieldsType: Invalid value: {fields_type:?}: must be `FieldsV1`"
    )]
    FieldsType {
        /// The entry.
        index: usize,
        /// What it says.
        fields_type: String,
    },
    /// An entry's fields cannot be read.
    #[error("metadata.managedFields[{index}].fieldsV1")]
    Fields {
        /// The entry.
        index: usize,
        /// Why.
        source: FieldSetError,
    },
}

impl ManagerKey {
    /// As conflict messages name it.
    pub fn describe(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {:?}", self.subresource);
        }
        if !self.applies {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }

    /// How it writes.
    pub fn operation(&self) -> ManagerOperation {
        if self.applies {
            ManagerOperation::Apply
        } else {
            ManagerOperation::Update
        }
    }
}

impl Managers {
    /// Reads `managedFields`.
    ///
    /// # Errors
    /// [`ManagersError`] names the entry that cannot be read.
    pub fn read(entries: Option<&Value>) -> Result<Self, ManagersError> {
        let mut managers = Self::default();
        let entries = entries.and_then(Value::as_array).into_iter().flatten();
        for (index, entry) in entries.enumerate() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or("");
            let applies = match text("operation") {
                "Apply" => true,
                "Update" => false,
                other => {
                    return Err(ManagersError::Operation {
                        index,
                        operation: other.to_owned(),
                    });
                }
            };
            if text("fieldsType") != "FieldsV1" {
                return Err(ManagersError::FieldsType {
                    index,
                    fields_type: text("fieldsType").to_owned(),
                });
            }
            let fields = entry.get("fieldsV1").unwrap_or(&Value::Null);
            let fields =
                FieldSet::read(fields).map_err(|source| ManagersError::Fields { index, source })?;
            let key = ManagerKey {
                name: text("manager").to_owned(),
                applies,
                api_version: if applies { "" } else { text("apiVersion") }.to_owned(),
                subresource: text("subresource").to_owned(),
            };
            let owned = Owned {
                api_version: text("apiVersion").to_owned(),
                fields,
                time: Some(text("time").to_owned()).filter(|time| !time.is_empty()),
            };
            managers.0.insert(key, owned);
        }
        Ok(managers)
    }

    /// Writes `managedFields`: appliers first, then by time and name.
    pub fn write(&self) -> Value {
        let mut entries: Vec<(&ManagerKey, &Owned)> = self.0.iter().collect();
        entries.sort_by(|(left, left_owned), (right, right_owned)| {
            let order = |key: &ManagerKey, owned: &Owned| {
                (
                    !key.applies,
                    owned.time.clone(),
                    key.name.clone(),
                    owned.api_version.clone(),
                    key.subresource.clone(),
                )
            };
            order(left, left_owned).cmp(&order(right, right_owned))
        });
        let entries = entries.into_iter().map(|(key, owned)| {
            let mut entry = json!({
                "manager": key.name,
                "operation": if key.applies { "Apply" } else { "Update" },
                "apiVersion": owned.api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": owned.fields.write(),
            });
            if let Some(time) = &owned.time {
                entry["time"] = json!(time);
            }
            if !key.subresource.is_empty() {
                entry["subresource"] = json!(key.subresource);
            }
            entry
        });
        Value::Array(entries.collect())
    }
}
