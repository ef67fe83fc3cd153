//! A value that is loaded when it is first needed and can be dropped again.

use crate::error::Result;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::sync::Arc;

/// Reading a loaded value takes no lock.
pub struct Slot<T> {
    value: ArcSwapOption<T>,
    loading: Mutex<()>,
}

impl<T> Slot<T> {
    pub fn empty() -> Slot<T> {
        Slot { value: ArcSwapOption::empty(), loading: Mutex::new(()) }
    }

    /// The value, loaded by `load` if it is not there; one thread loads, the others wait for it.
    pub fn get<V: Into<Arc<T>>>(&self, load: impl FnOnce() -> Result<V>) -> Result<Arc<T>> {
        self.get_current(|_| true, load)
    }

    /// The same of a value for which `is_current` holds; one for which it does not goes first.
    pub fn get_current<V: Into<Arc<T>>>(
        &self,
        is_current: impl Fn(&T) -> bool,
        load: impl FnOnce() -> Result<V>,
    ) -> Result<Arc<T>> {
        let current = || self.value.load_full().filter(|value| is_current(value));
        if let Some(value) = current() {
            return Ok(value);
        }
        let _loading = self.loading.lock();
        if let Some(value) = current() {
            return Ok(value);
        }
        self.value.store(None);
        let value = load()?.into();
        self.value.store(Some(value.clone()));
        Ok(value)
    }

    /// The value if it is loaded.
    pub fn loaded(&self) -> Option<Arc<T>> {
        self.value.load_full()
    }

    /// Drops the value and then makes a change, while nothing is loaded: who sees the change gets no value of before.
    pub fn reset(&self, change: impl FnOnce()) {
        let _loading = self.loading.lock();
        self.value.store(None);
        change();
    }

    /// Drops the value; whoever holds it keeps it until he is done.
    pub fn clear(&self) {
        self.value.store(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn loads_once_and_again_after_clear() {
        let slot: Slot<i32> = Slot::empty();
        assert!(slot.get(|| Err::<i32, _>(Error::corrupt("no"))).is_err());
        assert!(slot.loaded().is_none());
        assert_eq!(*slot.get(|| Ok(1)).unwrap(), 1);
        assert_eq!(*slot.get(|| Ok(2)).unwrap(), 1);
        slot.clear();
        assert_eq!(*slot.get(|| Ok(3)).unwrap(), 3);
        assert_eq!(*slot.get_current(|&value| value == 3, || Ok(4)).unwrap(), 3);
        let shared = Arc::new(5);
        assert!(Arc::ptr_eq(&slot.get_current(|&value| value == 5, || Ok(shared.clone())).unwrap(), &shared));
        // What is out of date makes room before its successor is loaded.
        assert!(slot.get_current(|_| false, || Err::<i32, _>(Error::corrupt("no"))).is_err());
        assert!(slot.loaded().is_none());
    }
}
