//! [`Live`], a cheap reader of the newest valid value, and its [`Publisher`].
//!
//! A reader never waits: one atomic load gives the value that is newest at that moment. Whoever wants to be told of
//! changes awaits [`Live::changed`] or takes the stream of [`Live::changes`]. Publishers hand over values, not
//! sources, so a layer can not meet a configuration that does not compile.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use futures::Stream;
use tokio::sync::watch;

#[derive(Debug)]
struct Cell<T> {
    value: ArcSwap<T>,
    version: watch::Receiver<u64>,
}

/// A cloneable handle to the newest `T`.
pub struct Live<T> {
    cell: Arc<Cell<T>>,
}

/// Feeds the [`Live`] handles that were made with it.
pub struct Publisher<T> {
    cell: Arc<Cell<T>>,
    // Not in the cell: when the last publisher is gone, whoever waits for a change learns that none will come.
    version: Arc<watch::Sender<u64>>,
}

impl<T> Live<T> {
    /// A value that never changes.
    #[must_use]
    pub fn fixed(value: T) -> Self {
        Self::channel(value).1
    }

    /// A handle and the publisher that feeds it.
    #[must_use]
    pub fn channel(value: T) -> (Publisher<T>, Self) {
        let (sender, version) = watch::channel(1);
        let cell = Arc::new(Cell {
            value: ArcSwap::from_pointee(value),
            version,
        });
        let publisher = Publisher {
            cell: Arc::clone(&cell),
            version: Arc::new(sender),
        };
        (publisher, Self { cell })
    }

    /// The newest value, borrowed. Wait-free; hold it for one decision, not across an `await`.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<T>> {
        self.cell.value.load()
    }

    /// The newest value, owned, for a whole request.
    #[must_use]
    pub fn snapshot(&self) -> Arc<T> {
        self.cell.value.load_full()
    }

    /// How many values were published, the first included.
    #[must_use]
    pub fn version(&self) -> u64 {
        *self.cell.version.borrow()
    }

    /// A stream of the newest value and of every newer one; values that were replaced in between are left out. Ends
    /// when the last publisher is gone.
    pub fn changes(&self) -> impl Stream<Item = Arc<T>> + Send + use<T>
    where
        T: Send + Sync + 'static,
    {
        let cell = Arc::clone(&self.cell);
        let mut version = cell.version.clone();
        version.mark_changed();
        futures::stream::unfold((cell, version), |(cell, mut version)| async move {
            version.changed().await.ok()?;
            let value = cell.value.load_full();
            Some((value, (cell, version)))
        })
    }

    /// A subscription that tells when the value is replaced after now; waiting on it fails when the last publisher is
    /// gone.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        let mut version = self.cell.version.clone();
        version.mark_unchanged();
        version
    }
}

impl<T> Publisher<T> {
    /// Replaces the value: one atomic store, then whoever waits is woken.
    pub fn publish(&self, value: impl Into<Arc<T>>) {
        self.cell.value.store(value.into());
        self.version.send_modify(|version| *version += 1);
    }

    /// A reader of what this publishes.
    #[must_use]
    pub fn reader(&self) -> Live<T> {
        Live {
            cell: Arc::clone(&self.cell),
        }
    }
}

// A derive would ask for `T: Clone`.
impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self {
            cell: Arc::clone(&self.cell),
        }
    }
}

impl<T> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Self {
            cell: Arc::clone(&self.cell),
            version: Arc::clone(&self.version),
        }
    }
}

impl<T> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self::fixed(value)
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Live").field(&*self.load()).finish()
    }
}

impl<T> std::fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_reader_sees_the_newest_value_and_keeps_the_one_it_took() {
        let (publisher, live) = Live::channel(1);
        let taken = live.snapshot();
        publisher.publish(2);
        assert_eq!((*taken, **live.load(), live.version()), (1, 2, 2));
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_last_publisher() {
        let (publisher, live) = Live::channel(1);
        drop(publisher);
        let seen: Vec<_> = live.changes().collect().await;
        assert_eq!(seen.len(), 1);
        assert!(live.changed().changed().await.is_err());
    }

    #[tokio::test]
    async fn the_stream_starts_with_the_present_value_and_skips_replaced_ones() {
        let (publisher, live) = Live::channel(1);
        let mut changes = Box::pin(live.changes());
        assert_eq!(changes.next().await.as_deref(), Some(&1));
        publisher.publish(2);
        publisher.publish(3);
        assert_eq!(changes.next().await.as_deref(), Some(&3));
    }
}
