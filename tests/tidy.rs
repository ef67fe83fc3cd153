//! The house rules of ARCHITECTURE.md that a program can check. Every failure names the file, the line and the rule.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The layers: a room uses its own layer and those below. `storage` stands beside layer 5.
const LAYERS: &[(&str, u8)] = &[
    ("error", 1),
    ("schema", 1),
    ("batch", 1),
    ("kernel", 2),
    ("gpu", 2),
    ("quant", 3),
    ("index", 4),
    ("segment", 5),
    ("filter", 5),
    ("exchange", 5),
    ("storage", 5),
    ("database", 6),
    ("collection", 6),
    ("ffi", 7),
];
/// Rooms that may use `storage`, besides itself.
const STORAGE_USERS: &[&str] = &["segment", "filter", "exchange", "database", "collection"];
/// Rooms of layer 5 that `storage` must not know.
const ABOVE_STORAGE: &[&str] = &["segment", "filter", "exchange"];
/// Rooms where `unsafe` may stand.
const UNSAFE_ROOMS: &[&str] = &["ffi", "kernel", "gpu", "storage"];
/// Lines of a source file without its tests.
const LONGEST: usize = 500;
/// Bytes of `examples/data`, and of its largest set.
const DATA_BUDGET: u64 = 12 << 20;
const MINILM_BUDGET: u64 = 8 << 20;

/// A line of Rust that is neither a comment nor part of a file's unit tests.
struct Line<'a> {
    number: usize,
    code: &'a str,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir`, in order, without what is built, hidden or fetched.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|e| e.expect("a readable folder").path()).collect();
    paths.sort();
    let skipped = |p: &Path| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('.') || name.starts_with("target") || name == "node_modules" || name == "__pycache__"
    };
    paths.retain(|p| !skipped(p));
    paths.into_iter().flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

fn sources() -> Vec<PathBuf> {
    let rust = files(&root().join("src")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    rust.collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", shown(path)))
}

/// `src/index/flat.rs` is in room `index`; `src/lib.rs` is in none.
fn room(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_string_lossy();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_string();
    (name != "lib").then_some(name)
}

/// What only tests compile: `tests.rs`, `tests/`, the fault disk.
fn is_test_file(path: &Path) -> bool {
    let only_tests = ["tests", "tests.rs", "fault", "fault.rs"];
    path.components().any(|c| only_tests.iter().any(|name| c.as_os_str() == *name))
}

/// The lines before the unit tests, which stand last in a file.
fn code(text: &str) -> Vec<Line<'_>> {
    let tests =
        text.lines().position(|l| l.trim_start().starts_with("#[cfg(test)]") || l.starts_with("mod tests {"));
    let lines = text.lines().take(tests.unwrap_or(usize::MAX)).enumerate();
    lines
        .map(|(i, code)| Line { number: i + 1, code })
        .filter(|l| !l.code.trim_start().starts_with("//"))
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part)
            && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// The first segments of the paths that start at `start`: `{a::b, c}` gives a and c.
fn heads(text: &str) -> Vec<String> {
    let ident = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = text.strip_prefix('{') else { return vec![ident(text)] };
    let (mut depth, mut item, mut found) = (1, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            found.push(ident(item.trim()));
            item.clear();
        } else {
            item.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The rooms a file names: through `crate::`, or through as many `super::` as lead to the crate's root.
fn used_rooms(path: &Path, text: &str) -> Vec<String> {
    let joined = code(text).iter().map(|l| l.code).collect::<Vec<_>>().join("\n");
    let mut used: Vec<String> =
        joined.match_indices("crate::").flat_map(|(at, head)| heads(&joined[at + head.len()..])).collect();
    let inside = path.strip_prefix(root().join("src")).expect("a file of src");
    let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
    let climb = "super::".repeat(depth);
    for (at, _) in joined.match_indices(&climb) {
        if !joined[..at].ends_with("super::") {
            used.extend(heads(&joined[at + climb.len()..]));
        }
    }
    used.retain(|name| name.chars().next().is_some_and(char::is_lowercase) && name != "super");
    used.sort();
    used.dedup();
    used
}

fn layer(room: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == room).map(|(_, layer)| *layer)
}

fn report(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(from) = room(&path) else { continue };
        let Some(height) = layer(&from) else {
            wrong.push(format!("{}: the room {from} is not in the layer table", shown(&path)));
            continue;
        };
        for to in used_rooms(&path, &read(&path)) {
            let Some(below) = layer(&to) else { continue };
            let storage = to == "storage" && from != "storage" && !STORAGE_USERS.contains(&from.as_str());
            let climbs = from == "storage" && ABOVE_STORAGE.contains(&to.as_str());
            if below > height || storage || climbs {
                wrong.push(format!("{}: {from} must not use {to}", shown(&path)));
            }
        }
    }
    report("Arrows point down only (ARCHITECTURE.md, layers)", &wrong);
}

#[test]
fn the_layer_table_sees_what_it_must() {
    let path = root().join("src/quant/pq.rs");
    let text = "use crate::{error::Result, ffi::{a, b}};\nlet x = super::super::database::open();\n// crate::segment\n";
    assert_eq!(used_rooms(&path, text), ["database", "error", "ffi"]);
    let path = root().join("src/batch.rs");
    assert_eq!(
        used_rooms(&path, "use super::schema::Field;\n#[cfg(test)]\nmod t { use crate::ffi; }"),
        ["schema"]
    );
    assert!(has_word("    unsafe { x }", "unsafe"));
    assert!(!has_word("#![allow(unsafe_code)]", "unsafe"));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for path in sources() {
        if room(&path).is_some_and(|r| UNSAFE_ROOMS.contains(&r.as_str())) {
            continue;
        }
        let text = read(&path);
        for (i, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with("//") && has_word(line, "unsafe") {
                wrong.push(format!("{}:{}", shown(&path), i + 1));
            }
        }
    }
    report(&format!("unsafe stands only in {UNSAFE_ROOMS:?}"), &wrong);
}

#[test]
fn files_are_touched_in_storage_only() {
    let mut wrong = Vec::new();
    for path in sources() {
        if room(&path).is_some_and(|r| r == "storage") || is_test_file(&path) {
            continue;
        }
        for line in code(&read(&path)) {
            if ["std::fs", "File::open", "File::create", "OpenOptions"].iter().any(|w| has_word(line.code, w))
            {
                wrong.push(format!("{}:{}: {}", shown(&path), line.number, line.code.trim()));
            }
        }
    }
    report("Only storage touches std::fs, so that tests can put a faulty disk under it", &wrong);
}

#[test]
fn sources_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = read(&path);
        if !text.starts_with("//!") && !is_test_file(&path) {
            wrong.push(format!("{}: starts without a //! line", shown(&path)));
        }
        let tests = text.lines().position(|l| l.starts_with("#[cfg(test)]"));
        let lines = tests.unwrap_or_else(|| text.lines().count());
        if lines > LONGEST && !is_test_file(&path) {
            wrong.push(format!("{}: {lines} lines without tests, at most {LONGEST}", shown(&path)));
        }
    }
    report("A source file is short and begins with what it is", &wrong);
}

/// Text that people write, and what is generated from it; not the data.
fn written() -> Vec<PathBuf> {
    const KINDS: &[&str] = &[
        "rs", "toml", "md", "c", "h", "hpp", "cpp", "py", "sh", "json", "go", "java", "js", "mjs", "ts",
        "cu", "in",
    ];
    let data = root().join("examples/data");
    let mut all = files(root());
    all.retain(|p| {
        let kind = p.extension().is_some_and(|e| KINDS.iter().any(|k| e == *k));
        (kind || p.ends_with("Makefile"))
            && !(p.starts_with(&data) && p.extension().is_some_and(|e| e == "txt"))
    });
    all.push(root().join(".ci/run"));
    all
}

#[test]
fn text_is_clean() {
    let mut wrong = Vec::new();
    for path in written() {
        let text = read(&path);
        let tabs_belong = path.ends_with("Makefile") || path.extension().is_some_and(|e| e == "go");
        for (i, line) in text.split('\n').enumerate() {
            let mut say = |what: &str| wrong.push(format!("{}:{}: {what}", shown(&path), i + 1));
            if line.ends_with('\r') {
                say("CRLF");
            } else if line.ends_with([' ', '\t']) {
                say("space at the end");
            }
            if line.contains('\t') && !tabs_belong {
                say("tab");
            }
        }
        if !text.ends_with('\n') {
            wrong.push(format!("{}: ends without a newline", shown(&path)));
        }
    }
    report("Text is clean", &wrong);
}

#[test]
fn shell_scripts_parse() {
    let mut wrong = Vec::new();
    for path in written() {
        if read(&path).starts_with("#!/")
            && (path.ends_with("run") || path.extension().is_some_and(|e| e == "sh"))
        {
            let said = Command::new("bash").arg("-n").arg(&path).output().expect("bash runs");
            if !said.status.success() {
                wrong.push(format!("{}: {}", shown(&path), String::from_utf8_lossy(&said.stderr)));
            }
        }
    }
    report("Shell scripts parse, those that only CI runs too", &wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let later = [
        concat!("to", "do!"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
        concat!("db", "g!("),
    ];
    let mut wrong = Vec::new();
    for path in written() {
        for (i, line) in read(&path).lines().enumerate() {
            // What takes too long for every run says which target runs it.
            let elsewhere = line.contains(": make ");
            if let Some(word) = later.iter().find(|w| line.contains(**w)).filter(|_| !elsewhere) {
                wrong.push(format!("{}:{}: {word}", shown(&path), i + 1));
            }
        }
    }
    report("Nothing is left for later", &wrong);
}

#[test]
fn generated_files_say_so() {
    let mut wrong = Vec::new();
    for name in ["include/elanus.h", "bindings/elanus.json"] {
        let text = read(&root().join(name));
        let head: String = text.lines().take(12).collect::<Vec<_>>().join("\n").to_lowercase();
        if !head.contains("generated") {
            wrong.push(format!("{name}: no line among its first says that it is generated"));
        }
    }
    report("Generated files say so, so that nobody edits them", &wrong);
}

#[test]
fn the_data_fits_its_budget() {
    let size = |dir: &str| -> u64 {
        let all = files(&root().join(dir));
        all.iter().map(|p| fs::metadata(p).expect("a file of the data").len()).sum()
    };
    let (data, minilm) = (size("examples/data"), size("examples/data/minilm"));
    assert!(minilm > 0, "examples/data/minilm is missing");
    assert!(data <= DATA_BUDGET, "examples/data has {data} bytes, at most {DATA_BUDGET}");
    assert!(minilm <= MINILM_BUDGET, "examples/data/minilm has {minilm} bytes, at most {MINILM_BUDGET}");
}
