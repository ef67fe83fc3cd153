//! The interface as every emitter sees it: objects, each with its types and functions, in the order of `src/ffi/mod.rs`.

/// The whole interface.
pub struct Model {
    /// The package's version, like `0.1.0`.
    pub version: String,
    pub objects: Vec<Object>,
}

/// One file of `src/ffi`.
pub struct Object {
    /// The file's name without `.rs`.
    pub name: String,
    /// Its `//!` text.
    pub doc: Vec<String>,
    pub constants: Vec<Constant>,
    pub types: Vec<TypeItem>,
    pub functions: Vec<Function>,
}

pub struct Constant {
    pub name: String,
    pub doc: Vec<String>,
    pub value: String,
}

pub struct TypeItem {
    pub name: String,
    pub doc: Vec<String>,
    pub kind: Kind,
}

pub enum Kind {
    /// A handle, or (`foreign`) a structure that another standard defines.
    Opaque {
        foreign: bool,
    },
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
    /// A pointer to a function of the caller's.
    Callback {
        parameters: Vec<Parameter>,
        returns: Type,
    },
}

pub struct Field {
    pub name: String,
    pub doc: Vec<String>,
    pub ty: Type,
    /// Its value in the structure's initialiser, where that is not zero.
    pub initial: Option<String>,
}

pub struct Variant {
    pub name: String,
    pub doc: Vec<String>,
    pub value: u32,
}

pub struct Function {
    pub name: String,
    pub doc: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub returns: Type,
    /// Whether it may take long: a binding offers it off the main thread.
    pub blocking: bool,
    /// The version that it came with.
    pub since: String,
}

pub struct Parameter {
    pub name: String,
    pub ty: Type,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// A type of C's, like `uint32_t`; also `void`.
    Plain(String),
    /// A type of this interface.
    Named(String),
    Pointer {
        to: Box<Type>,
        constant: bool,
        nullable: bool,
    },
}

impl Model {
    pub fn types(&self) -> impl Iterator<Item = &TypeItem> {
        self.objects.iter().flat_map(|o| &o.types)
    }

    /// The type item of that C name.
    pub fn named(&self, name: &str) -> Option<&TypeItem> {
        self.types().find(|t| t.name == name)
    }
}
