//! README's tables of index types, from the catalog of the engine.

use elanus::index::catalog::scalar::{SCALAR_ENTRIES, ScalarKind};
use elanus::index::catalog::table::{Absent, ENTRIES, Entry, Param};
use elanus::index::catalog::{Metric, VectorKind};

const BEGIN: &str =
    "<!-- index types: written by `make bindings` from src/index/catalog/table.rs, do not edit -->\n";
const END: &str = "<!-- end of index types -->\n";

/// The page with the table between its two marks as it should be.
pub fn renew(page: &str) -> Result<String, String> {
    let lost = |mark: &str| format!("README.md has lost its line {}", mark.trim_end());
    let (before, rest) = page.split_once(BEGIN).ok_or_else(|| lost(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| lost(END))?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table()))
}

fn table() -> String {
    let mut text = String::from(
        "| index type | fields: metrics | build parameters | search parameters |\n| --- | --- | --- | --- |\n",
    );
    for entry in ENTRIES.iter().filter(|entry| !entry.works.is_empty()) {
        let fields: Vec<String> = entry.works.iter().map(|kind| field(entry, *kind)).collect();
        let (build, search) = (parameters(entry.build), parameters(entry.search));
        let names = names(entry.name, entry.aliases);
        text += &format!("| {names} | {} | {build} | {search} |\n", fields.join("<br>"));
    }
    let later: Vec<&str> = ENTRIES.iter().filter(|e| e.works.is_empty()).map(|e| e.name).collect();
    if !later.is_empty() {
        text += &format!(
            "\nKnown and checked, but answered with code 701 in this version: {}.\n",
            later.join(", ")
        );
    }
    text + &scalar_table()
}

fn scalar_table() -> String {
    let mut text = String::from("\n| index type | scalar fields |\n| --- | --- |\n");
    for entry in SCALAR_ENTRIES {
        let kinds: Vec<&str> = entry.fields.iter().map(|kind| scalar_fields(*kind)).collect();
        text += &format!("| {} | {} |\n", names(entry.name, entry.aliases), kinds.join(", "));
    }
    text
}

fn scalar_fields(kind: ScalarKind) -> &'static str {
    match kind {
        ScalarKind::Bool => "Bool",
        ScalarKind::Number => "Int8 to Int64, Float, Double",
        ScalarKind::Text => "VarChar",
    }
}

fn names(name: &str, aliases: &[&str]) -> String {
    let aliases: Vec<String> = aliases.iter().map(|alias| format!("`{alias}`")).collect();
    match aliases.is_empty() {
        true => format!("`{name}`"),
        false => format!("`{name}` ({})", aliases.join(", ")),
    }
}

fn field(entry: &Entry, kind: VectorKind) -> String {
    let metrics: Vec<&str> = entry.metrics(kind).iter().map(|metric| Metric::name(*metric)).collect();
    let kind = match kind {
        VectorKind::Float => "float",
        VectorKind::Binary => "binary",
    };
    format!("{kind}: {}", metrics.join(" "))
}

fn parameters(params: &[Param]) -> String {
    params.iter().map(parameter).collect::<Vec<_>>().join("<br>")
}

/// `nlist` 1 to 65536 (128): range and default.
fn parameter(param: &Param) -> String {
    let low = match (param.at_least_topk, param.min) {
        (true, _) => "topk".to_owned(),
        (false, min) => min.to_string(),
    };
    let range = match (param.min, param.max) {
        (min, max) if min == max => max.to_string(),
        (i64::MIN, i64::MAX) => "any integer".to_owned(),
        (_, i64::MAX) => format!("{low} and more"),
        (_, max) => format!("{low} to {max}"),
    };
    let default = match param.default {
        Absent::Value(value) if value < param.min => "off".to_owned(),
        Absent::Value(value) => value.to_string(),
        Absent::Rule(words) => words.to_owned(),
        Absent::AtLeastTopk(value) => format!("{value}, or topk if that is more"),
        Absent::QuarterOfDim => "the largest divisor of dim up to dim / 4".to_owned(),
    };
    format!("`{}` {range} ({default})", param.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_rewritten() {
        let page = format!("above\n{BEGIN}stale\n{END}below\n");
        let renewed = renew(&page).unwrap();
        assert!(renewed.starts_with(&format!("above\n{BEGIN}| index type")) && renewed.ends_with("below\n"));
        assert!(!renewed.contains("stale"));
        assert_eq!(renew(&renewed).unwrap(), renewed);
        assert!(renew("no marks").is_err());
    }

    #[test]
    fn ranges_and_defaults_are_those_of_the_catalog() {
        let text = table();
        assert!(text.contains("`nlist` 1 to 65536 (128)"), "{text}");
        assert!(text.contains("`ef` topk to 32768 (64, or topk if that is more)"), "{text}");
        assert!(text.contains("float: L2 IP COSINE"), "{text}");
        assert!(text.contains("| `Trie` (`marisa-trie`) | VarChar |"), "{text}");
    }
}
