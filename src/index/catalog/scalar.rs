//! Index types of scalar fields, and what a description of one may say: `milvus.io/docs/scalar_index.md`.

use super::given::Given;
use super::table::AUTOINDEX;
use super::{IndexSpec, VectorKind};
use crate::error::{Code, Error, Result};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a scalar field holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScalarKind {
    Bool,
    /// Int8 to Int64, Float and Double.
    Number,
    /// VarChar.
    Text,
}

/// What a field holds, which decides about the index types that it may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    Vector { kind: VectorKind, dim: usize },
    Scalar(ScalarKind),
}

/// One index type of scalar fields.
#[derive(Debug)]
pub struct ScalarEntry {
    /// Milvus' name.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// The fields it takes.
    pub fields: &'static [ScalarKind],
    /// Milvus' words about others.
    refusal: &'static str,
}

/// Every index type of scalar fields. They differ in the fields that they take: inside all of them are the rows in the order
/// of their values.
pub static SCALAR_ENTRIES: &[ScalarEntry] = &[
    ScalarEntry {
        name: "STL_SORT",
        aliases: &["Ascending"],
        fields: &[ScalarKind::Number],
        refusal: "STL_SORT are only supported on numeric field",
    },
    ScalarEntry {
        name: "Trie",
        aliases: &["marisa-trie"],
        fields: &[ScalarKind::Text],
        refusal: "TRIE are only supported on varchar field",
    },
    ScalarEntry {
        name: "INVERTED",
        aliases: &[],
        fields: &[ScalarKind::Bool, ScalarKind::Number, ScalarKind::Text],
        refusal: "INVERTED are not supported on vector field",
    },
];

impl ScalarEntry {
    /// The entry of a name or alias, in any case.
    fn find(text: &str) -> Option<&'static ScalarEntry> {
        let is = |name: &&str| text.eq_ignore_ascii_case(name);
        SCALAR_ENTRIES.iter().find(|entry| is(&entry.name) || entry.aliases.iter().any(is))
    }

    /// The type that is taken where none is asked for.
    fn default_of(kind: ScalarKind) -> &'static ScalarEntry {
        let takes = |entry: &&ScalarEntry| entry.fields.contains(&kind);
        SCALAR_ENTRIES.iter().find(takes).unwrap_or(&SCALAR_ENTRIES[0]) // INVERTED takes all
    }
}

/// A checked description of an index of a scalar field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScalarSpec {
    /// Milvus' name of the type.
    pub name: &'static str,
}

impl ScalarSpec {
    fn new(given: &Given, kind: ScalarKind) -> Result<ScalarSpec> {
        let asked = given.word("index_type")?.unwrap_or_default();
        if asked.is_empty() || asked.eq_ignore_ascii_case(AUTOINDEX) {
            return Ok(ScalarSpec { name: ScalarEntry::default_of(kind).name });
        }
        let Some(entry) = ScalarEntry::find(&asked) else {
            let takes = |entry: &&ScalarEntry| entry.fields.contains(&kind);
            let names: Vec<_> = SCALAR_ENTRIES.iter().filter(takes).map(|entry| entry.name).collect();
            return Err(Error::new(
                Code::IndexTypeNotSupported,
                format!("invalid index type: {asked}, supported on a scalar field: [{}]", names.join(" ")),
            ));
        };
        if !entry.fields.contains(&kind) {
            return Err(Error::invalid(entry.refusal));
        }
        Ok(ScalarSpec { name: entry.name })
    }

    /// The description that is read back.
    pub fn to_json(&self) -> Value {
        json!({ "index_type": self.name, "params": {} })
    }
}

/// A checked description of an index of any field. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Spec {
    Vector(Arc<IndexSpec>),
    Scalar(ScalarSpec),
}

impl Spec {
    /// Reads `{"index_type","metric_type","params":{}}`, checked for a field of `kind`. On a scalar field an absent, an empty
    /// and the type AUTOINDEX mean STL_SORT for numbers, Trie for texts and INVERTED for booleans, and anything beside the
    /// type is ignored, as in Milvus.
    pub fn from_json(text: &str, kind: FieldKind) -> Result<Spec> {
        let given = Given::parse(text, "index description")?;
        match kind {
            FieldKind::Scalar(kind) => ScalarSpec::new(&given, kind).map(Spec::Scalar),
            FieldKind::Vector { kind, dim } => {
                if let Some(entry) = given.word("index_type")?.as_deref().and_then(ScalarEntry::find) {
                    return Err(Error::invalid(entry.refusal));
                }
                IndexSpec::from_json(text, kind, dim).map(|spec| Spec::Vector(Arc::new(spec)))
            }
        }
    }

    /// The description that [`Spec::from_json`] reads back.
    pub fn to_json(&self) -> Value {
        match self {
            Spec::Vector(spec) => spec.to_json(),
            Spec::Scalar(spec) => spec.to_json(),
        }
    }

    /// That of a vector field.
    pub fn vector(&self) -> Option<&Arc<IndexSpec>> {
        match self {
            Spec::Vector(spec) => Some(spec),
            Spec::Scalar(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_fields_and_defaults() {
        use ScalarKind::*;
        let name = |text: &str, kind| match Spec::from_json(text, FieldKind::Scalar(kind)).unwrap() {
            Spec::Scalar(spec) => spec.name,
            Spec::Vector(_) => panic!("{text}"),
        };
        for (text, kind, expected) in [
            ("", Number, "STL_SORT"),
            ("{}", Text, "Trie"),
            (r#"{"index_type":"","metric_type":"L2"}"#, Bool, "INVERTED"),
            (r#"{"index_type":"AUTOINDEX"}"#, Number, "STL_SORT"),
            (r#"{"index_type":"stl_sort","params":{"x":1}}"#, Number, "STL_SORT"),
            (r#"{"index_type":"Ascending"}"#, Number, "STL_SORT"),
            (r#"{"index_type":"marisa-trie"}"#, Text, "Trie"),
            (r#"{"index_type":"TRIE"}"#, Text, "Trie"),
            (r#"{"index_type":"INVERTED"}"#, Number, "INVERTED"),
            (r#"{"index_type":"INVERTED"}"#, Text, "INVERTED"),
            (r#"{"index_type":"INVERTED"}"#, Bool, "INVERTED"),
        ] {
            assert_eq!(name(text, kind), expected, "{text}");
            let again = Spec::from_json(text, FieldKind::Scalar(kind)).unwrap().to_json();
            assert_eq!(name(&again.to_string(), kind), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        use ScalarKind::*;
        let float = FieldKind::Vector { kind: VectorKind::Float, dim: 4 };
        let number = "STL_SORT are only supported on numeric field";
        let text = "TRIE are only supported on varchar field";
        for (asked, kind, code, words) in [
            ("STL_SORT", FieldKind::Scalar(Text), Code::InvalidParameter, number),
            ("STL_SORT", FieldKind::Scalar(Bool), Code::InvalidParameter, number),
            ("STL_SORT", float, Code::InvalidParameter, number),
            ("Trie", FieldKind::Scalar(Number), Code::InvalidParameter, text),
            ("Trie", FieldKind::Scalar(Bool), Code::InvalidParameter, text),
            ("Trie", float, Code::InvalidParameter, text),
            ("INVERTED", float, Code::InvalidParameter, "INVERTED are not supported on vector field"),
            ("HNSW", FieldKind::Scalar(Number), Code::IndexTypeNotSupported, "[STL_SORT INVERTED]"),
            ("tree", FieldKind::Scalar(Text), Code::IndexTypeNotSupported, "[Trie INVERTED]"),
        ] {
            let described = json!({ "index_type": asked, "metric_type": "L2" });
            let error = Spec::from_json(&described.to_string(), kind).unwrap_err();
            assert!(error.code() == code && error.message().contains(words), "{asked}: {error}");
        }
        assert!(Spec::from_json("[]", FieldKind::Scalar(Text)).is_err());
        assert!(Spec::from_json(r#"{"index_type":[]}"#, FieldKind::Scalar(Text)).is_err());
    }
}
