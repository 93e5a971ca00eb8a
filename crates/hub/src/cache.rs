//! A very small cache for what was encoded a moment ago: readers that stand at the same place share it.

/// Keeps the last `N` values by key, oldest out first.
#[derive(Debug)]
pub(crate) struct Recent<K, V, const N: usize> {
    items: Vec<(K, V)>,
    next: usize,
}

impl<K: PartialEq, V: Clone, const N: usize> Recent<K, V, N> {
    pub(crate) const fn new() -> Self {
        Self { items: Vec::new(), next: 0 }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.items.iter().find(|(held, _)| held == key).map(|(_, value)| value.clone())
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.items.len() < N {
            self.items.push((key, value));
        } else {
            self.items[self.next] = (key, value);
            self.next = (self.next + 1) % N;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut recent: Recent<u8, u8, 2> = Recent::new();
        recent.put(1, 10);
        recent.put(2, 20);
        recent.put(3, 30);
        assert_eq!([recent.get(&1), recent.get(&2), recent.get(&3)], [None, Some(20), Some(30)]);
        recent.put(4, 40);
        assert_eq!([recent.get(&2), recent.get(&3), recent.get(&4)], [None, Some(30), Some(40)]);
        recent.clear();
        assert_eq!(recent.get(&4), None);
    }
}
