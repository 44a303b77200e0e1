//! Tables that are read without a lock and copied when an entry is added.
//!
//! Entries are added when a label set is met for the first time, which a configuration bounds; reads happen on every
//! request. So a write copies the whole table and a read is one atomic load and one hash of three short names.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// Three label values.
pub(crate) trait Names {
    fn names(&self) -> [&str; 3];
}

#[derive(Clone, Debug)]
pub(crate) struct OwnedNames([Arc<str>; 3]);

impl Names for OwnedNames {
    fn names(&self) -> [&str; 3] {
        [&self.0[0], &self.0[1], &self.0[2]]
    }
}

impl Names for [&str; 3] {
    fn names(&self) -> [&str; 3] {
        *self
    }
}

impl<'a> Borrow<dyn Names + 'a> for OwnedNames {
    fn borrow(&self) -> &(dyn Names + 'a) {
        self
    }
}

impl Hash for dyn Names + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for name in self.names() {
            state.write(name.as_bytes());
        }
    }
}

impl PartialEq for dyn Names + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for dyn Names + '_ {}

impl Hash for OwnedNames {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn Names).hash(state);
    }
}

impl PartialEq for OwnedNames {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for OwnedNames {}

/// A multiplicative hash. The names are written by operators or proven by certificates, so nobody floods the table.
#[derive(Default)]
pub(crate) struct NameHasher(u64);

impl NameHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
        let mut word = [0; 8];
        let rest = chunks.remainder();
        word[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(word));
        self.add(bytes.len() as u64);
    }

    fn finish(&self) -> u64 {
        // hashbrown takes the control bits from the top and the bucket from the bottom.
        self.0 ^ (self.0 >> 32)
    }
}

type Map<V> = HashMap<OwnedNames, Arc<V>, BuildHasherDefault<NameHasher>>;

pub(crate) struct Table<V> {
    map: ArcSwap<Map<V>>,
    writer: Mutex<()>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            map: ArcSwap::default(),
            writer: Mutex::new(()),
        }
    }
}

impl<V> Table<V> {
    pub(crate) fn find(&self, names: [&str; 3]) -> Option<Arc<V>> {
        self.map.load().get(&names as &dyn Names).cloned()
    }

    /// The entry; made by `make` when it is missing. `None` from `make` leaves it missing. `full` is asked before the
    /// lock is taken, so that label sets beyond the limit, which a peer may bring with every request, wait for nobody.
    pub(crate) fn find_or_add(
        &self,
        names: [&str; 3],
        full: impl FnOnce() -> bool,
        make: impl FnOnce([Arc<str>; 3]) -> Option<V>,
    ) -> Option<Arc<V>> {
        if let Some(found) = self.find(names) {
            return Some(found);
        }
        if full() {
            return None;
        }
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.find(names) {
            return Some(found);
        }
        let owned = names.map(Arc::<str>::from);
        let made = Arc::new(make(owned.clone())?);
        let mut copy = Map::clone(&self.map.load());
        copy.insert(OwnedNames(owned), Arc::clone(&made));
        self.map.store(Arc::new(copy));
        Some(made)
    }
}

impl<V> std::fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.map.load().len())
            .finish()
    }
}

/// A short list by key, searched in order: most requests end in one of very few ways.
pub(crate) struct Short<K, V> {
    list: ArcSwap<Vec<(K, Arc<V>)>>,
    writer: Mutex<()>,
}

impl<K, V> Default for Short<K, V> {
    fn default() -> Self {
        Self {
            list: ArcSwap::default(),
            writer: Mutex::new(()),
        }
    }
}

impl<K: Copy + PartialEq, V> Short<K, V> {
    /// Uses the entry without taking a reference count. `full` as in [`Table::find_or_add`].
    pub(crate) fn with<R>(
        &self,
        key: K,
        full: impl FnOnce() -> bool,
        make: impl FnOnce() -> Option<V>,
        act: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let list = self.list.load();
        if let Some((_, found)) = list.iter().find(|(known, _)| *known == key) {
            return Some(act(found));
        }
        drop(list);
        if full() {
            return None;
        }
        self.add(key, make).map(|made| act(&made))
    }

    fn add(&self, key: K, make: impl FnOnce() -> Option<V>) -> Option<Arc<V>> {
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.list.load_full();
        if let Some((_, found)) = list.iter().find(|(known, _)| *known == key) {
            return Some(Arc::clone(found));
        }
        let made = Arc::new(make()?);
        let mut copy = Vec::clone(&list);
        copy.push((key, Arc::clone(&made)));
        self.list.store(Arc::new(copy));
        Some(made)
    }
}

impl<K, V> std::fmt::Debug for Short<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Short")
            .field("entries", &self.list.load().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_and_found_by_borrowed_names() {
        let table = Table::default();
        let first = table
            .find_or_add(["a", "b", "c"], || false, |_| Some(1))
            .unwrap();
        let again = table
            .find_or_add(["a", "b", "c"], || false, |_| Some(2))
            .unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(table.find(["ab", "", "c"]).is_none());
        assert!(
            table
                .find_or_add(["x", "", ""], || false, |_| None)
                .is_none()
        );
    }

    #[test]
    fn beyond_the_limit_nobody_waits_for_the_lock() {
        let (table, short) = (Table::<i32>::default(), Short::<u16, i32>::default());
        let _held = (table.writer.lock().unwrap(), short.writer.lock().unwrap());
        assert!(
            table
                .find_or_add(["x", "", ""], || true, |_| Some(1))
                .is_none()
        );
        assert!(short.with(200, || true, || Some(1), |v| *v).is_none());
    }

    #[test]
    fn a_short_list_makes_each_entry_once() {
        let short = Short::default();
        assert_eq!(short.with(200, || false, || Some(1), |v| *v), Some(1));
        assert_eq!(short.with(200, || false, || Some(9), |v| *v), Some(1));
        assert_eq!(short.with(503, || false, || None, |v: &i32| *v), None);
    }
}
