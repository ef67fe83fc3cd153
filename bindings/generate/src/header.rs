//! The C header: C99, readable by C++11.

use crate::model::{Constant, Function, Kind, Model, Object, Parameter, Type, TypeItem};
use std::fmt::Write;

const WIDTH: usize = 100;

const HEAD: &str = include_str!("head.h");
const ARROW: &str = include_str!("arrow.h");

pub fn render(model: &Model) -> String {
    let mut out = HEAD.to_owned();
    versions(&mut out, model);
    out += ARROW;
    out += "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    banner(&mut out, &["Handles: each is freed once, by its own *_free, in any order".to_owned()]);
    for item in model.types().filter(|t| matches!(t.kind, Kind::Opaque { foreign: false })) {
        doc(&mut out, "", &item.doc);
        let _ = writeln!(out, "typedef struct {0} {0};\n", item.name);
    }
    for object in &model.objects {
        section(&mut out, model, object);
    }
    out += "#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* ELANUS_H */\n";
    out
}

fn versions(out: &mut String, model: &Model) {
    let parts: Vec<&str> = model.version.split(['.', '-']).collect();
    let _ = write!(
        out,
        "/** The version of this header. elanus_version() has that of the library. */\n\
         #define ELANUS_VERSION \"{}\"\n#define ELANUS_VERSION_MAJOR {}\n#define ELANUS_VERSION_MINOR {}\n\
         #define ELANUS_VERSION_PATCH {}\n\
         /** The same as one number, to compare: 1.2.3 is 1002003. */\n\
         #define ELANUS_VERSION_NUMBER \\\n    \
         (ELANUS_VERSION_MAJOR * 1000000 + ELANUS_VERSION_MINOR * 1000 + ELANUS_VERSION_PATCH)\n\n",
        model.version, parts[0], parts[1], parts[2]
    );
}

fn section(out: &mut String, model: &Model, object: &Object) {
    banner(out, &object.doc);
    for Constant { name, doc: text, value } in &object.constants {
        doc(out, "", text);
        let _ = writeln!(out, "#define {name} {value}\n");
    }
    for item in &object.types {
        type_item(out, model, item);
    }
    for function in &object.functions {
        doc(out, "", &function.doc);
        prototype(out, model, function);
    }
}

fn banner(out: &mut String, text: &[String]) {
    let rule = "=".repeat(WIDTH - 3);
    let _ = writeln!(out, "/* {rule}");
    for line in text {
        let _ = writeln!(out, "{}", format!(" * {line}").trim_end());
    }
    let _ = writeln!(out, " * {rule} */\n");
}

fn doc(out: &mut String, indent: &str, lines: &[String]) {
    match lines {
        [] => {}
        [line] if indent.len() + line.len() + 7 <= WIDTH => {
            let _ = writeln!(out, "{indent}/** {line} */");
        }
        lines => {
            let _ = writeln!(out, "{indent}/**");
            for line in lines {
                let _ = writeln!(out, "{}", format!("{indent} * {line}").trim_end());
            }
            let _ = writeln!(out, "{indent} */");
        }
    }
}

fn type_item(out: &mut String, model: &Model, item: &TypeItem) {
    let name = &item.name;
    if !matches!(item.kind, Kind::Opaque { .. }) {
        doc(out, "", &item.doc);
    }
    match &item.kind {
        Kind::Opaque { .. } => {}
        Kind::Enum(variants) => {
            let _ = writeln!(out, "typedef enum {name} {{");
            for (i, v) in variants.iter().enumerate() {
                doc(out, "    ", &v.doc);
                let comma = if i + 1 < variants.len() { "," } else { "" };
                let _ = writeln!(out, "    {} = {}{comma}", v.name, v.value);
            }
            let _ = writeln!(out, "}} {name};\n");
        }
        Kind::Struct(fields) => {
            let _ = writeln!(out, "typedef struct {name} {{");
            for f in fields {
                doc(out, "    ", &f.doc);
                let _ = writeln!(out, "    {};", declaration(model, &f.ty, &f.name));
            }
            let _ = writeln!(out, "}} {name};\n");
            if fields.first().is_some_and(|f| f.name == "size") {
                let zero = |ty: &Type| match ty {
                    Type::Pointer { .. } => "NULL",
                    Type::Named(name)
                        if matches!(model.named(name).map(|t| &t.kind), Some(Kind::Callback { .. })) =>
                    {
                        "NULL"
                    }
                    _ => "0",
                };
                let values = fields[1..].iter().map(|f| f.initial.as_deref().unwrap_or(zero(&f.ty)));
                let values = values.collect::<Vec<_>>().join(", ");
                let _ = writeln!(out, "/** What {name} begins with: its size, and the defaults. */");
                let _ = writeln!(out, "#define {}_INIT {{sizeof({name}), {values}}}\n", name.to_uppercase());
            }
        }
        Kind::Callback { parameters, returns } => {
            let inside =
                parameters.iter().map(|p| declaration(model, &p.ty, &p.name)).collect::<Vec<_>>().join(", ");
            let _ =
                writeln!(out, "typedef {}({inside});\n", declaration(model, returns, &format!("(*{name})")));
        }
    }
}

fn prototype(out: &mut String, model: &Model, function: &Function) {
    let head = format!("ELANUS_API {}(", declaration(model, &function.returns, &function.name));
    let parameters: Vec<String> =
        function.parameters.iter().map(|Parameter { name, ty }| declaration(model, ty, name)).collect();
    let one_line = match parameters.is_empty() {
        true => format!("{head}void);"),
        false => format!("{head}{});", parameters.join(", ")),
    };
    let _ = match one_line.len() <= WIDTH {
        true => writeln!(out, "{one_line}\n"),
        false => writeln!(out, "{head}\n    {});\n", parameters.join(",\n    ")),
    };
}

/// `name` declared to be of type `ty`, or the bare type for an empty name.
fn declaration(model: &Model, ty: &Type, name: &str) -> String {
    let spelled = spelled(model, ty);
    match spelled.ends_with('*') || name.is_empty() {
        true => format!("{spelled}{name}"),
        false => format!("{spelled} {name}"),
    }
}

fn spelled(model: &Model, ty: &Type) -> String {
    match ty {
        Type::Plain(name) => name.clone(),
        Type::Named(name) => match model.named(name).map(|t| &t.kind) {
            Some(Kind::Opaque { foreign: true }) => format!("struct {name}"),
            _ => name.clone(),
        },
        Type::Pointer { to, constant, .. } => match (&**to, constant) {
            (Type::Pointer { .. }, true) => format!("{}const *", spelled(model, to)),
            (Type::Pointer { .. }, false) => format!("{}*", spelled(model, to)),
            (_, true) => format!("const {} *", spelled(model, to)),
            (_, false) => format!("{} *", spelled(model, to)),
        },
    }
}
