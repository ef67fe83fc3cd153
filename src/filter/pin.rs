//! Which values a field must have for a filter to hold: a search looks only into the partitions of those.

use crate::filter::Filter;
use crate::filter::predicate::{Predicate, Test};
use crate::filter::syntax::Compare;
use crate::filter::value::Value;
use crate::segment::Key;

impl Filter {
    /// The values of the field at place `at`, Int64 or VarChar, with which alone the filter can hold; `None` if it can
    /// with any.
    pub fn pinned(&self, at: usize) -> Option<Vec<Key<'_>>> {
        values(&self.predicate, at)
    }
}

fn values(predicate: &Predicate, at: usize) -> Option<Vec<Key<'_>>> {
    match predicate {
        Predicate::Always(false) => Some(Vec::new()),
        Predicate::All(parts) => parts.iter().filter_map(|part| values(part, at)).min_by_key(Vec::len),
        Predicate::Any(parts) => {
            let each: Option<Vec<Vec<Key>>> = parts.iter().map(|part| values(part, at)).collect();
            each.map(|each| each.concat())
        }
        Predicate::Column(column, test) if column.at == at && column.path.is_empty() => match test {
            Test::Compare(Compare::Equal, value) => Some(vec![key(value)?]),
            Test::In(values) => values.iter().map(key).collect(),
            _ => None,
        },
        _ => None,
    }
}

fn key(value: &Value) -> Option<Key<'_>> {
    match value {
        Value::Int(number) => Some(Key::Int(*number)),
        Value::Text(text) => Some(Key::Text(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Values;
    use crate::schema::Schema;

    #[test]
    fn values_that_a_filter_pins() {
        let schema = Schema::from_json(
            r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"n","data_type":"Int64"},
            {"name":"t","data_type":"VarChar","max_length":9},{"name":"v","data_type":"FloatVector","dim":2}]}"#,
        )
        .unwrap();
        let pinned = |text: &str, at| {
            let filter = Filter::new(&schema, text, &Values::from_json(r#"{"l":[7,8]}"#).unwrap()).unwrap();
            filter
                .pinned(at)
                .map(|keys| keys.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>().join(" "))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(pinned("n == 5", 1), some("Int(5)"));
        assert_eq!(pinned("5 == n", 1), some("Int(5)"));
        assert_eq!(pinned("n in [1, 2] and id > 3", 1), some("Int(1) Int(2)"));
        assert_eq!(pinned("n in {l} and n == 7", 1), some("Int(7)"));
        assert_eq!(pinned("n == 1 or n == 2 and id > 3 or n in [4]", 1), some("Int(1) Int(2) Int(4)"));
        assert_eq!(pinned("t == 'a' or t in ['b']", 2), some("Text(\"a\") Text(\"b\")"));
        assert_eq!(pinned("n in []", 1), some(""));
        for text in [
            "",
            "n != 5",
            "n > 5",
            "not (n == 5)",
            "n == 1 or id == 2",
            "n == id",
            "n + 1 == 3",
            "n not in [1]",
        ] {
            assert_eq!(pinned(text, 1), None, "{text}");
        }
        assert_eq!(pinned("n == 5", 2), None);
    }
}
