//! What the plugins of one `vm_id` share: data with compare-and-swap, queues, counters and sets.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashbrown::HashMap;

use crate::status::Status;

/// Counters and sets kept of one `vm_id`; the oldest half goes when there are more.
const KEPT_MAX: usize = 200_000;
/// Members of one set.
const MEMBERS_MAX: usize = 1_024;
/// Bytes of a counter's key; longer keys are cut.
const KEY_BYTES_MAX: usize = 256;
/// Queues of the process.
const QUEUES_MAX: usize = 10_000;
/// Counters are spread over this many locks.
const SHARDS: usize = 16;

/// Data, counters and sets of one `vm_id`.
#[derive(Debug)]
pub(crate) struct Space {
    data: Mutex<Data>,
    data_bytes_max: usize,
    kept: Box<[Mutex<Kept>]>,
    /// Keeps clients from choosing members or keys that collide.
    seed: RandomState,
}

#[derive(Debug, Default)]
struct Data {
    values: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    bytes: usize,
    cas_last: u32,
}

impl Data {
    fn remove(&mut self, key: &[u8]) -> bool {
        let Some((value, _)) = self.values.remove(key) else { return false };
        self.bytes -= key.len() + value.len();
        true
    }

    /// Removes the oldest values until no more than `bytes` are left.
    fn shed(&mut self, bytes: usize) {
        let mut ages: Vec<(u32, Vec<u8>)> =
            self.values.iter().map(|(key, (_, version))| (*version, key.clone())).collect();
        ages.sort_unstable();
        for (_, key) in ages {
            if self.bytes <= bytes {
                return;
            }
            self.remove(&key);
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    counters: HashMap<Vec<u8>, Counter>,
    sets: HashMap<Vec<u8>, Set>,
    buckets: HashMap<Vec<u8>, Bucket>,
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    /// When it is full again.
    end_ms: u64,
    tokens: f64,
    filled_ms: u64,
}

/// A count with an end.
#[derive(Debug)]
struct Counter {
    end_ms: u64,
    sum: u64,
}

/// A set with an end.
#[derive(Debug)]
struct Set {
    end_ms: u64,
    members: hashbrown::HashSet<u64>,
}

impl Space {
    pub(crate) fn new(data_bytes_max: usize) -> Self {
        let kept = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { data: Mutex::default(), data_bytes_max, kept, seed: RandomState::new() }
    }

    /// Copies a value to `out` and answers its version.
    pub(crate) fn value(&self, key: &[u8], out: &mut Vec<u8>) -> Option<u32> {
        let data = lock(&self.data);
        let (value, cas) = data.values.get(key)?;
        out.clear();
        out.extend_from_slice(value);
        Some(*cas)
    }

    /// Sets a value; `cas` 0 without condition, else only over this version. When the space is full,
    /// what was written longest ago goes.
    pub(crate) fn set_value(&self, key: &[u8], value: &[u8], cas: u32) -> Status {
        let mut data = lock(&self.data);
        let known = data.values.get(key);
        if known.is_some_and(|known| cas != 0 && known.1 != cas) {
            return Status::CasMismatch;
        }
        data.remove(key);
        data.bytes += key.len() + value.len();
        data.cas_last = data.cas_last.wrapping_add(1).max(1);
        let version = data.cas_last;
        data.values.insert(key.to_vec(), (value.to_vec(), version));
        if data.bytes > self.data_bytes_max {
            data.shed(self.data_bytes_max / 4 * 3);
        }
        Status::Ok
    }

    /// Removes a value; answers whether there was one.
    pub(crate) fn remove_value(&self, key: &[u8]) -> bool {
        lock(&self.data).remove(key)
    }

    /// Bytes of shared data.
    pub(crate) fn data_bytes(&self) -> usize {
        lock(&self.data).bytes
    }

    /// Adds to a counter that ends `window_ms` after its first addition; answers the sum.
    pub(crate) fn count(&self, key: &[u8], window_ms: u64, amount: u64, now_ms: u64) -> u64 {
        let key = cut(key);
        let mut kept = self.shard(key);
        if let Some(counter) = kept.counters.get_mut(key)
            && counter.end_ms > now_ms
        {
            counter.sum = counter.sum.saturating_add(amount);
            return counter.sum;
        }
        if amount > 0 {
            shed(&mut kept.counters, now_ms, |counter| counter.end_ms);
            let counter = Counter { end_ms: now_ms.saturating_add(window_ms), sum: amount };
            kept.counters.insert(key.to_vec(), counter);
        }
        amount
    }

    /// Adds a member to a set that ends `window_ms` after its first member; answers its size.
    pub(crate) fn distinct(&self, key: &[u8], member: &[u8], window_ms: u64, now_ms: u64) -> u64 {
        let key = cut(key);
        let mut kept = self.shard(key);
        shed(&mut kept.sets, now_ms, |set| set.end_ms);
        let fresh =
            || Set { end_ms: now_ms.saturating_add(window_ms), members: Default::default() };
        let set = kept.sets.entry_ref(key).or_insert_with(fresh);
        if set.end_ms <= now_ms {
            *set = fresh();
        }
        if set.members.len() < MEMBERS_MAX {
            set.members.insert(self.seed.hash_one(member));
        }
        set.members.len() as u64
    }

    /// Takes `cost` tokens from a bucket that gains `rate` a second and holds `burst`.
    pub(crate) fn take(&self, key: &[u8], rate: f64, burst: f64, cost: f64, now_ms: u64) -> bool {
        let key = cut(key);
        let mut kept = self.shard(key);
        shed(&mut kept.buckets, now_ms, |bucket| bucket.end_ms);
        let full = || Bucket { end_ms: now_ms, tokens: burst, filled_ms: now_ms };
        let bucket = kept.buckets.entry_ref(key).or_insert_with(full);
        let elapsed_s = now_ms.saturating_sub(bucket.filled_ms) as f64 / 1_000.0;
        bucket.tokens = (bucket.tokens + elapsed_s * rate).min(burst);
        bucket.filled_ms = now_ms.max(bucket.filled_ms);
        let granted = bucket.tokens >= cost;
        if granted {
            bucket.tokens -= cost;
        }
        let missing_ms = (burst - bucket.tokens) / rate * 1_000.0;
        bucket.end_ms = now_ms.saturating_add(missing_ms.clamp(0.0, 1e15) as u64);
        granted
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Kept> {
        lock(&self.kept[self.seed.hash_one(key) as usize % SHARDS])
    }
}

/// Makes room when the map is full: first what has ended, then the half that ends first.
fn shed<V>(map: &mut HashMap<Vec<u8>, V>, now_ms: u64, end: impl Fn(&V) -> u64) {
    if map.len() < KEPT_MAX / SHARDS {
        return;
    }
    map.retain(|_, value| end(value) > now_ms);
    if map.len() >= KEPT_MAX / SHARDS {
        let mut ends: Vec<u64> = map.values().map(&end).collect();
        let middle = ends.len() / 2;
        let middle = *ends.select_nth_unstable(middle).1;
        map.retain(|_, value| end(value) > middle);
    }
}

fn cut(key: &[u8]) -> &[u8] {
    &key[..key.len().min(KEY_BYTES_MAX)]
}

/// All queues of the process.
#[derive(Debug)]
pub(crate) struct Queues {
    inside: Mutex<Inside>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inside {
    ids: HashMap<(String, Vec<u8>), u32>,
    queues: Vec<Queue>,
}

impl Inside {
    fn queue(&mut self, id: u32) -> Option<&mut Queue> {
        self.queues.get_mut((id as usize).checked_sub(1)?)
    }
}

/// A queue and the instances that want to be told.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Plugin and instance of each registration, the latest first.
    listeners: Vec<Listener>,
}

/// An instance that registered a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) plugin: Arc<str>,
    pub(crate) instance: u64,
}

impl Queues {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { inside: Mutex::default(), bytes_max }
    }

    /// Finds or makes a queue, and remembers who wants to be told.
    pub(crate) fn register(&self, vm: &str, name: &[u8], listener: Listener) -> Option<u32> {
        let mut inside = lock(&self.inside);
        let Inside { ids, queues } = &mut *inside;
        let id = match ids.get(&(vm.to_owned(), name.to_vec())) {
            Some(id) => *id,
            None if queues.len() >= QUEUES_MAX => return None,
            None => {
                queues.push(Queue::default());
                let id = u32::try_from(queues.len()).ok()?;
                ids.insert((vm.to_owned(), name.to_vec()), id);
                id
            }
        };
        let queue = queues.get_mut(id as usize - 1)?;
        if !queue.listeners.contains(&listener) {
            queue.listeners.insert(0, listener);
            queue.listeners.truncate(64);
        }
        Some(id)
    }

    /// Finds a queue.
    pub(crate) fn resolve(&self, vm: &str, name: &[u8]) -> Option<u32> {
        lock(&self.inside).ids.get(&(vm.to_owned(), name.to_vec())).copied()
    }

    /// Appends; `false` when there is no such queue. A full queue loses its oldest items.
    pub(crate) fn push(&self, id: u32, item: Vec<u8>) -> bool {
        let mut inside = lock(&self.inside);
        let Some(queue) = inside.queue(id) else { return false };
        queue.bytes += item.len();
        queue.items.push_back(item);
        while queue.bytes > self.bytes_max {
            let Some(oldest) = queue.items.pop_front() else { break };
            queue.bytes -= oldest.len();
        }
        true
    }

    /// Who wants to be told about a queue.
    pub(crate) fn listeners(&self, id: u32) -> Vec<Listener> {
        lock(&self.inside).queue(id).map(|queue| queue.listeners.clone()).unwrap_or_default()
    }

    /// Takes the oldest item.
    pub(crate) fn pop(&self, id: u32) -> Result<Vec<u8>, Status> {
        let mut inside = lock(&self.inside);
        let queue = inside.queue(id).ok_or(Status::NotFound)?;
        let item = queue.items.pop_front().ok_or(Status::Empty)?;
        queue.bytes -= item.len();
        Ok(item)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
