//! How to open a database.

use crate::error::{Code, Error, Result};
use serde_json::Value;
use std::time::Duration;

/// Whether an insert returns before its bytes are on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// An acknowledged write survives a power cut (group commit, fsync before returning).
    #[default]
    Sync,
    /// It survives the process' death; a power cut may lose the last seconds.
    Async,
}

/// How to open a database.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    pub durability: Durability,
    /// Bytes that growing rows, loaded indexes, builds and compactions may take together; 0 for no limit. What is kept of
    /// filters counts too, and gives way to all others.
    pub memory_limit: u64,
    /// Threads of a batch search or a build; 0 for as many as the machine has.
    pub threads: usize,
    /// Growing rows of about this many MiB become a sealed segment.
    pub segment_size_mb: u64,
    /// Sealed segments of fewer rows get no index: they are searched exactly.
    pub index_min_rows: u64,
    /// How long no query must run before a background build goes on, in milliseconds.
    pub build_idle_ms: u64,
    /// Whether small segments and dead rows are compacted in the background.
    pub auto_compaction: bool,
    /// Opens without a lock and without writing anything at all.
    pub read_only: bool,
    /// Of a read-only database, after how many milliseconds it looks again what the writer has committed and logged; 0: only
    /// when it is asked to.
    pub refresh_ms: u64,
    pub create_if_missing: bool,
    /// For how many seconds an earlier state stays searchable (Milvus' `common.retentionDuration`), from now on and kept in the
    /// database: 0 for not at all, as in a new one. `None` leaves it as it is.
    pub retention_duration: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            durability: Durability::Sync,
            memory_limit: 0,
            threads: 0,
            segment_size_mb: 512,
            index_min_rows: 1024,
            build_idle_ms: 5000,
            auto_compaction: true,
            read_only: false,
            refresh_ms: 0,
            create_if_missing: true,
            retention_duration: None,
        }
    }
}

const MAX_THREADS: u64 = 1024;
const MAX_SEGMENT_MB: u64 = 131072;
const KNOWN: &str = "durability, memory_limit, threads, segment_size_mb, index_min_rows, build_idle_ms, \
     auto_compaction, read_only, refresh_ms, create_if_missing, retention_duration";

impl Options {
    /// `{"durability":"sync","threads":2,...}`; unknown keys are errors that name the known ones. Empty text: defaults.
    pub fn from_json(text: &str) -> Result<Options> {
        let mut options = Options::default();
        if text.trim().is_empty() {
            return Ok(options);
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|e| Error::invalid(format!("the options are not JSON: {e}")))?;
        let map = value.as_object().ok_or_else(|| Error::invalid("the options are not a JSON object"))?;
        for (key, value) in map {
            match key.as_str() {
                "durability" => options.durability = durability(value)?,
                "memory_limit" => options.memory_limit = number(key, value, 0, u64::MAX)?,
                "threads" => options.threads = number(key, value, 0, MAX_THREADS)? as usize,
                "segment_size_mb" => options.segment_size_mb = number(key, value, 1, MAX_SEGMENT_MB)?,
                "index_min_rows" => options.index_min_rows = number(key, value, 1, u64::from(u32::MAX))?,
                "build_idle_ms" => options.build_idle_ms = number(key, value, 0, u64::from(u32::MAX))?,
                "auto_compaction" => options.auto_compaction = flag(key, value)?,
                "read_only" => options.read_only = flag(key, value)?,
                "refresh_ms" => options.refresh_ms = number(key, value, 0, u64::from(u32::MAX))?,
                "create_if_missing" => options.create_if_missing = flag(key, value)?,
                "retention_duration" => {
                    options.retention_duration = Some(number(key, value, 0, u64::from(u32::MAX))?);
                }
                _ => return Err(Error::invalid(format!("unknown option \"{key}\"; known are: {KNOWN}"))),
            }
        }
        Ok(options)
    }

    /// The same ranges for options that were not made from text.
    pub fn check(&self) -> Result<()> {
        within("threads", self.threads as u64, 0, MAX_THREADS)?;
        within("segment_size_mb", self.segment_size_mb, 1, MAX_SEGMENT_MB)?;
        within("index_min_rows", self.index_min_rows, 1, u64::from(u32::MAX))?;
        within("build_idle_ms", self.build_idle_ms, 0, u64::from(u32::MAX))?;
        within("refresh_ms", self.refresh_ms, 0, u64::from(u32::MAX))?;
        if let Some(seconds) = self.retention_duration {
            within("retention_duration", seconds, 0, u64::from(u32::MAX))?;
            if self.read_only {
                return Err(Error::new(
                    Code::ReadOnly,
                    "option retention_duration is the writer's to set: the database is opened read-only",
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_size_mb << 20
    }

    pub(crate) fn refresh_every(&self) -> Duration {
        Duration::from_millis(self.refresh_ms)
    }

    pub(crate) fn build_idle(&self) -> Duration {
        Duration::from_millis(self.build_idle_ms)
    }
}

fn durability(value: &Value) -> Result<Durability> {
    match value.as_str() {
        Some("sync") => Ok(Durability::Sync),
        Some("async") => Ok(Durability::Async),
        _ => Err(Error::invalid(format!("option durability should be \"sync\" or \"async\", got {value}"))),
    }
}

fn number(key: &str, value: &Value, min: u64, max: u64) -> Result<u64> {
    match value.as_u64() {
        Some(number) => within(key, number, min, max),
        None => Err(Error::invalid(format!(
            "option {key} should be an integer in range [{min}, {max}], got {value}"
        ))),
    }
}

fn within(key: &str, number: u64, min: u64, max: u64) -> Result<u64> {
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(Error::invalid(format!("option {key} should be in range [{min}, {max}], got {number}")))
}

fn flag(key: &str, value: &Value) -> Result<bool> {
    value
        .as_bool()
        .ok_or_else(|| Error::invalid(format!("option {key} should be true or false, got {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_to_options() {
        assert_eq!(Options::from_json(" ").unwrap(), Options::default());
        assert_eq!(Options::from_json("{}").unwrap(), Options::default());
        let text = r#"{"durability":"async","memory_limit":5,"threads":2,"segment_size_mb":1,"index_min_rows":9,
            "build_idle_ms":0,"auto_compaction":false,"read_only":true,"refresh_ms":7,"create_if_missing":false,
            "retention_duration":8}"#;
        let options = Options::from_json(text).unwrap();
        let expected = Options {
            durability: Durability::Async,
            memory_limit: 5,
            threads: 2,
            segment_size_mb: 1,
            index_min_rows: 9,
            build_idle_ms: 0,
            auto_compaction: false,
            read_only: true,
            refresh_ms: 7,
            create_if_missing: false,
            retention_duration: Some(8),
        };
        assert_eq!(options, expected);
        assert_eq!(options.check().unwrap_err().code(), Code::ReadOnly);
        assert!(Options { retention_duration: None, ..options }.check().is_ok());
    }

    #[test]
    fn ranges_and_unknown_keys() {
        let message = |text: &str| Options::from_json(text).expect_err(text).message().to_owned();
        assert!(message(r#"{"thread":2}"#).contains("unknown option \"thread\"; known are: durability"));
        assert!(message(r#"{"threads":1025}"#).contains("threads should be in range [0, 1024], got 1025"));
        assert!(message(r#"{"threads":-1}"#).contains("got -1"));
        assert!(message(r#"{"segment_size_mb":0}"#).contains("[1, 131072], got 0"));
        assert!(message(r#"{"index_min_rows":0}"#).contains("got 0"));
        assert!(message(r#"{"durability":"never"}"#).contains("\"sync\" or \"async\""));
        assert!(message(r#"{"read_only":1}"#).contains("true or false"));
        assert!(message(r#"{"refresh_ms":4294967296}"#).contains("[0, 4294967295], got 4294967296"));
        assert!(message(r#"{"retention_duration":-1}"#).contains("[0, 4294967295], got -1"));
        assert!(message("[]").contains("not a JSON object"));
        assert!(message("{").contains("not JSON"));
        assert!(Options { threads: 5000, ..Options::default() }.check().is_err());
    }
}
