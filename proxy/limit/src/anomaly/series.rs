//! What is usual of a number that is looked at again and again.

#[cfg(test)]
mod tests;

/// Values that are remembered.
const RING: usize = 32;
/// Share of a new value in the mean: half of it is forgotten after 23 values.
const MEAN_SHARE: f32 = 0.03;
/// From so many values on there is something to compare with.
const VALUES_MIN: u32 = 15;
/// Scales the median absolute deviation to the standard deviation of a normal distribution.
const MAD_SIGMA: f32 = 1.4826;

/// The last values of a number and their mean.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    ring: [f32; RING],
    seen: u32,
    mean: f32,
}

/// Where the middle is, and how far values usually are from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Centre {
    pub(crate) at: f64,
    pub(crate) spread: f64,
}

impl Centre {
    /// How many spreads above the middle a value is; the spread is taken to be at least `floor`.
    pub(crate) fn z(&self, value: f64, floor: f64) -> f64 {
        (value - self.at) / self.spread.max(floor)
    }
}

impl Series {
    pub(crate) const fn new() -> Self {
        Self { ring: [0.0; RING], seen: 0, mean: 0.0 }
    }

    pub(crate) fn push(&mut self, value: f64) {
        let value = value as f32;
        self.ring[self.seen as usize % RING] = value;
        self.seen = self.seen.saturating_add(1);
        // The mean of all values until there are enough for a share of them.
        let share = MEAN_SHARE.max(1.0 / self.seen as f32);
        self.mean += (value - self.mean) * share;
    }

    /// The middle is the median or the mean, whichever is higher: a slow rise moves the mean first, a lone peak leaves
    /// the median alone. `None` as long as too little was seen.
    pub(crate) fn centre(&self) -> Option<Centre> {
        if self.seen < VALUES_MIN {
            return None;
        }
        let mut values = self.ring;
        let values = &mut values[..RING.min(self.seen as usize)];
        let middle = median(values);
        values.iter_mut().for_each(|value| *value = (*value - middle).abs());
        let spread = MAD_SIGMA * median(values);
        Some(Centre { at: middle.max(self.mean).into(), spread: spread.into() })
    }
}

/// The lower median; sorts the values.
fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f32::total_cmp);
    values[(values.len() - 1) / 2]
}

/// Where the many and the top of a population are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Population {
    /// The value in the middle.
    pub(crate) median: f64,
    /// The value that one in a hundred is above.
    pub(crate) top: f64,
    /// How fast the top thins out.
    pub(crate) spread: f64,
}

impl Population {
    /// Of some values, which are sorted; `None` when there are none.
    pub(crate) fn of(values: &mut [f64]) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| values[(last as f64 * share).round() as usize];
        // Between the 90th and the 99th hundredth an exponential tail (of logarithms: a power law) falls by ln 10 of its
        // scale; see Hill, A simple general approach to inference about the tail of a distribution, 1975.
        let spread = (at(0.99) - at(0.9)) / std::f64::consts::LN_10;
        Some(Self { median: values[last / 2], top: at(0.99), spread })
    }

    /// Goes a part of the way to another one.
    pub(crate) fn approach(&mut self, to: &Self, share: f64) {
        self.median += (to.median - self.median) * share;
        self.top += (to.top - self.top) * share;
        self.spread += (to.spread - self.spread) * share;
    }

    /// How many spreads above the top a value is; the spread is taken to be at least `floor`.
    pub(crate) fn z(&self, value: f64, floor: f64) -> f64 {
        (value - self.top) / self.spread.max(floor)
    }
}
