//! Patterns: equal, or `prefix%`. Milvus 2.3 refuses all others.

use super::{Scope, Typed};
use crate::filter::predicate::{Predicate, Test};
use crate::filter::syntax::{Compare, Node};
use crate::filter::value::Value;
use crate::schema::DataType;

impl Scope<'_> {
    pub(super) fn like(&self, item: &Node, pattern: &Node) -> Result<Typed, String> {
        let column = match self.typed(item)? {
            Typed::Column(column) => column,
            Typed::Value(_) => return Err("the left operand of like is invalid".into()),
            _ => return Err("like operation on complicated expr is unsupported".into()),
        };
        if !matches!(column.data_type, DataType::VarChar | DataType::Json) {
            return Err("like operation on non-string or no-json field is unsupported".into());
        }
        column.not_whole()?;
        let Typed::Value(Value::Text(pattern)) = self.typed(pattern)? else {
            return Err(format!("the pattern of like should be a text, got: {}", self.shown(pattern)));
        };
        Ok(Typed::Predicate(Predicate::Column(column, test_of(&pattern)?)))
    }
}

/// `%` stands for any text and is allowed at the end; `_` for one character, which is not supported. Behind a backslash
/// both stand for themselves.
fn test_of(pattern: &str) -> Result<Test, String> {
    let mut text = String::with_capacity(pattern.len());
    let mut open = false;
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '%' => {
                open = true;
                continue;
            }
            '_' => None,
            '\\' => match letters.clone().next() {
                Some(escaped @ ('%' | '_' | '\\')) => {
                    letters.next();
                    Some(escaped)
                }
                _ => Some('\\'),
            },
            other => Some(other),
        };
        match plain {
            Some(plain) if !open => text.push(plain),
            _ => return Err(format!("unsupported pattern: {pattern}")),
        }
    }
    Ok(if open { Test::Prefix(text) } else { Test::Compare(Compare::Equal, Value::Text(text)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let prefix = |text: &str| Ok(Test::Prefix(text.to_owned()));
        let equal = |text: &str| Ok(Test::Compare(Compare::Equal, Value::Text(text.to_owned())));
        assert_eq!(test_of("abc%"), prefix("abc"));
        assert_eq!(test_of("abc%%"), prefix("abc"));
        assert_eq!(test_of("%"), prefix(""));
        assert_eq!(test_of("name*"), equal("name*"));
        assert_eq!(test_of(""), equal(""));
        assert_eq!(test_of("8\\_0%"), prefix("8_0"));
        assert_eq!(test_of("50\\%"), equal("50%"));
        assert_eq!(test_of("a\\\\%"), prefix("a\\"));
        for refused in ["not_%_supported", "%a", "a%b", "a_", "_"] {
            assert_eq!(test_of(refused), Err(format!("unsupported pattern: {refused}")));
        }
    }
}
