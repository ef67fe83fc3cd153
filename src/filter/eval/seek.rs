//! One value out of a JSON text, without reading what stands behind it or building what it is not asked for.

use crate::filter::syntax::Step;
use crate::filter::value::Number;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What stands at the end of a path.
#[derive(Clone, PartialEq, Debug)]
pub enum Found<'t> {
    Null,
    Bool(bool),
    /// Whole numbers beyond Int64 are floats, as in Milvus.
    Number(Number),
    Text(Cow<'t, str>),
    /// As many lists inside of each other as were asked for; below, the lists are empty.
    List {
        len: usize,
        values: Vec<Found<'t>>,
    },
    Object,
}

/// What `path` leads to; of lists, `lists` levels are built. `None` where it leads nowhere. A step that is a key with a
/// number finds a list's value as well, and an index an object's key, as in the JSON pointers that Milvus uses. The first
/// of equal keys counts.
pub fn find<'t>(text: &'t str, path: &[Step], lists: usize) -> Option<Found<'t>> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_str(text);
    // It stops with an error once it has found the value: what stands behind is of no interest. The text was checked when
    // it was inserted.
    let _ = Seek { path, lists, found: &mut found }.deserialize(&mut json);
    found
}

/// Goes down the path.
struct Seek<'s, 'p, 't> {
    path: &'p [Step],
    lists: usize,
    found: &'s mut Option<Found<'t>>,
}

impl<'t> DeserializeSeed<'t> for Seek<'_, '_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(Build { lists: self.lists }.deserialize(json)?);
            return Ok(());
        }
        json.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Seek<'_, '_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        let number;
        let wanted = match &self.path[0] {
            Step::Key(key) => key.as_str(),
            Step::Index(index) => {
                number = index.to_string();
                &number
            }
        };
        while let Some(is_wanted) = map.next_key_seed(IsKey(wanted))? {
            if is_wanted {
                let below = Seek { path: &self.path[1..], lists: self.lists, found: self.found };
                map.next_value_seed(below)?;
                return Err(A::Error::custom("done"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        let index = match &self.path[0] {
            Step::Index(index) => *index,
            Step::Key(key) => match key.parse::<u64>() {
                // A JSON pointer has no leading zeros and no sign.
                Ok(index) if index.to_string() == *key => index,
                _ => return Err(A::Error::custom("no index")),
            },
        };
        for _ in 0..index {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        let below = Seek { path: &self.path[1..], lists: self.lists, found: self.found };
        list.next_element_seed(below)?;
        Err(A::Error::custom("done"))
    }
}

/// Whether a key is the wanted one.
struct IsKey<'k>(&'k str);

impl<'t> DeserializeSeed<'t> for IsKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// Builds a value.
struct Build {
    lists: usize,
}

impl<'t> DeserializeSeed<'t> for Build {
    type Value = Found<'t>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Found<'t>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Build {
    type Value = Found<'t>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Found<'t>, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E: Error>(self, b: bool) -> Result<Found<'t>, E> {
        Ok(Found::Bool(b))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Found<'t>, E> {
        Ok(Found::Number(Number::Int(n)))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Found<'t>, E> {
        let number = i64::try_from(n).map_or(Number::Float(n as f64), Number::Int);
        Ok(Found::Number(number))
    }

    fn visit_f64<E: Error>(self, x: f64) -> Result<Found<'t>, E> {
        Ok(Found::Number(Number::Float(x)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<Found<'t>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found<'t>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Found<'t>, A::Error> {
        let (mut len, mut values) = (0, Vec::new());
        if self.lists == 0 {
            while list.next_element::<IgnoredAny>()?.is_some() {
                len += 1;
            }
            return Ok(Found::List { len, values });
        }
        while let Some(value) = list.next_element_seed(Build { lists: self.lists - 1 })? {
            values.push(value);
        }
        len = values.len();
        Ok(Found::List { len, values })
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Found<'t>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Step {
        Step::Key(key.to_owned())
    }

    fn int(n: i64) -> Found<'static> {
        Found::Number(Number::Int(n))
    }

    #[test]
    fn values_at_paths() {
        let text = r#"{"a":{"b":[1,{"c":"x\ny"},[2,[3]]],"":null},"a":7,"0":true,"big":18446744073709551615,"f":1.5e0}"#;
        let at = |path: &[Step], lists| find(text, path, lists);
        assert_eq!(at(&[key("a"), key("b"), Step::Index(0)], 0), Some(int(1)));
        assert_eq!(at(&[key("a"), key("b"), key("0")], 0), Some(int(1)));
        assert_eq!(at(&[key("a"), key("b"), key("00")], 0), None);
        assert_eq!(at(&[key("a"), key("b"), Step::Index(1), key("c")], 0), Some(Found::Text("x\ny".into())));
        assert_eq!(at(&[key("a"), key("b"), Step::Index(9)], 0), None);
        assert_eq!(at(&[key("a"), key("")], 0), Some(Found::Null));
        assert_eq!(at(&[Step::Index(0)], 0), Some(Found::Bool(true)));
        assert_eq!(at(&[key("big")], 0), Some(Found::Number(Number::Float(18446744073709551615.0))));
        assert_eq!(at(&[key("f")], 0), Some(Found::Number(Number::Float(1.5))));
        assert_eq!(at(&[key("f"), key("x")], 0), None);
        assert_eq!(at(&[key("none")], 0), None);
        assert_eq!(at(&[key("a")], 3), Some(Found::Object));
        let b = [key("a"), key("b")];
        assert_eq!(at(&b, 0), Some(Found::List { len: 3, values: vec![] }));
        let inner = Found::List { len: 2, values: vec![] };
        assert_eq!(at(&b, 1), Some(Found::List { len: 3, values: vec![int(1), Found::Object, inner] }));
    }

    #[test]
    fn deep_and_broken_texts() {
        let deep = format!("{{\"x\":{}{},\"y\":1}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(find(&deep, &[key("y")], 0), Some(int(1)));
        assert!(matches!(find(&deep, &[key("x")], 1), Some(Found::List { len: 1, .. })));
        for broken in ["", "{", "{\"x\":", "[1,", "nul", "\u{0}"] {
            assert_eq!(find(broken, &[key("x")], 0), None);
        }
        assert_eq!(find("{\"x\":1,,,", &[key("x")], 0), Some(int(1)));
    }
}
