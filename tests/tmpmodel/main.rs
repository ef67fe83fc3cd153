#[path = "../it/model/mod.rs"]
mod model;
#[path = "../it/processes.rs"]
mod processes;
#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;
