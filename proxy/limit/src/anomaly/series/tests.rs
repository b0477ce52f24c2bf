use super::*;

#[test]
fn a_peak_moves_the_middle_hardly() {
    let mut series = Series::new();
    (0..14).for_each(|n| series.push(f64::from(10 + n % 3)));
    assert_eq!(series.centre(), None, "too little was seen");
    (0..20).for_each(|n| series.push(f64::from(10 + n % 3)));
    let before = series.centre().unwrap();
    assert!((10.9..11.1).contains(&before.at), "{before:?}");
    series.push(1_000.0);
    let after = series.centre().unwrap();
    assert!(after.at < 45.0 && after.spread < 3.0, "{after:?}");
}

#[test]
fn a_slow_rise_is_followed() {
    let mut series = Series::new();
    let mut worst = 0.0_f64;
    for n in 0..2_000 {
        let value = 100.0 * f64::powf(1.001, f64::from(n));
        if let Some(centre) = series.centre() {
            worst = worst.max(centre.z(value, 0.1 * centre.at));
        }
        series.push(value);
    }
    assert!(worst < 1.0, "{worst}");
}

#[test]
fn a_population_and_its_tail() {
    let mut values: Vec<f64> = (0..=100).map(f64::from).collect();
    let population = Population::of(&mut values).unwrap();
    assert_eq!((population.median, population.top), (50.0, 99.0));
    assert_eq!(Population::of(&mut []), None);
    // Rates of a power law, one over the rank: the first of a thousand is no stranger.
    let mut logs: Vec<f64> = (1..=1_000).map(|rank| -f64::from(rank).ln()).collect();
    let population = Population::of(&mut logs).unwrap();
    assert!(population.z(0.0, 0.35) < 3.0, "{population:?}");
    assert!(population.z(f64::ln(100.0), 0.35) > 6.0, "{population:?}");
}
