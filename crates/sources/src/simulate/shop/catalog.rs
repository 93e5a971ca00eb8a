//! What the simulated shop sells, to whom, and how it is paid.

use super::super::rhythm::Schedule;

/// A product: prices in cents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    pub(super) cents: i64,
    /// How often it is wanted, against the others.
    pub(super) weight: f64,
    /// How many there are after a delivery, and each how many hours one comes.
    pub(super) full: i64,
    pub(super) delivery_h: i64,
}

const fn product(
    name: &'static str,
    category: &'static str,
    cents: i64,
    weight: f64,
    full: i64,
    delivery_h: i64,
) -> Product {
    Product { name, category, cents, weight, full, delivery_h }
}

/// Everything there is to buy. What a delivery brings is a little more or less than what is sold until the next.
pub(super) const PRODUCTS: [Product; 20] = [
    product("Trail Runner 2 · 41", "shoes", 12_900, 9.0, 140, 11),
    product("Trail Runner 2 · 42", "shoes", 12_900, 12.0, 190, 9),
    product("Trail Runner 2 · 43", "shoes", 12_900, 10.0, 170, 13),
    product("Ridge Boot · 42", "shoes", 18_900, 4.0, 110, 17),
    product("Ridge Boot · 44", "shoes", 18_900, 3.5, 120, 19),
    product("Summit Shell · M", "jackets", 24_900, 8.0, 120, 10),
    product("Summit Shell · L", "jackets", 24_900, 7.0, 130, 12),
    product("Cirrus Down · M", "jackets", 29_900, 3.0, 90, 22),
    product("Merino Base · M", "layers", 4_900, 8.5, 210, 14),
    product("Merino Base · L", "layers", 4_900, 9.0, 180, 15),
    product("Fleece Half-Zip · M", "layers", 6_900, 5.0, 130, 16),
    product("Flask 0.7 l", "gear", 1_900, 11.0, 160, 8),
    product("Flask 1.0 l", "gear", 2_400, 6.0, 160, 18),
    product("Headlamp 400", "gear", 5_900, 7.5, 160, 13),
    product("Trekking Poles", "gear", 8_900, 4.5, 130, 20),
    product("Dry Bag 20 l", "gear", 2_900, 5.0, 190, 21),
    product("Stratus 28 Pack", "packs", 13_900, 5.5, 90, 12),
    product("Stratus 45 Pack", "packs", 17_900, 3.0, 110, 23),
    product("Ultralight Tent", "camp", 39_900, 2.0, 90, 24),
    product("Down Bag −5°", "camp", 27_900, 2.2, 80, 24),
];

/// What is on sale in the sale of that number, at three quarters of its price.
pub(super) const ON_SALE: [&[usize]; 4] = [&[0, 1, 2], &[5, 6, 8], &[11, 13, 9], &[16, 1, 11]];
/// A share of the price, in percent.
pub(super) const SALE_PERCENT: i64 = 75;
/// A flash sale each two and a half hours: so that yesterday at this time there was none while there is one now.
pub(super) const SALES: Schedule = Schedule { every_s: 9_000, first_s: 5_200, lasts_s: 2_100 };

/// Who buys.
pub(super) const FIRST_NAMES: [&str; 32] = [
    "Amara", "Jonas", "Li", "Sofía", "Tom", "Priya", "Noah", "Chloé", "Mateo", "Aiko", "Lena", "Omar", "Freya",
    "Diego", "Mina", "Lukas", "Zoe", "Kofi", "Ines", "Marek", "Yara", "Felix", "Nora", "Ravi", "Elif", "Hugo", "Maja",
    "Sven", "Tariq", "Eva", "Bao", "Clara",
];
pub(super) const INITIALS: &[u8] = b"ABCDEFGHIKLMNOPRSTVWZ";
/// Where from, with how many.
pub(super) const COUNTRIES: [(&str, f64); 8] =
    [("DE", 40.0), ("AT", 9.0), ("CH", 8.0), ("FR", 12.0), ("NL", 9.0), ("PL", 8.0), ("IT", 8.0), ("SE", 6.0)];
pub(super) const DEVICES: [(&str, f64); 3] = [("phone", 62.0), ("desktop", 31.0), ("tablet", 7.0)];
/// What brought them.
pub(super) const CHANNELS: [(&str, f64); 5] =
    [("search", 38.0), ("direct", 24.0), ("ads", 17.0), ("social", 12.0), ("mail", 9.0)];

/// Who takes the money.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) weight: f64,
    /// How many of its payments are declined.
    pub(super) declined: f64,
    /// How long it takes, in ms: half of its answers are faster.
    pub(super) median_ms: f64,
    /// When hardly any of its payments goes through.
    pub(super) outage: Option<Schedule>,
}

pub(super) const PROVIDERS: [Provider; 4] = [
    Provider { name: "card", weight: 46.0, declined: 0.045, median_ms: 420.0, outage: None },
    Provider {
        name: "wallet",
        weight: 31.0,
        declined: 0.015,
        median_ms: 310.0,
        outage: Some(Schedule { every_s: 5_400, first_s: 1_500, lasts_s: 260 }),
    },
    Provider { name: "invoice", weight: 14.0, declined: 0.09, median_ms: 680.0, outage: None },
    Provider {
        name: "transfer",
        weight: 9.0,
        declined: 0.02,
        median_ms: 900.0,
        outage: Some(Schedule { every_s: 39_600, first_s: 9_000, lasts_s: 900 }),
    },
];
/// How many payments fail while their provider is out.
pub(super) const OUTAGE_FAILS: f64 = 0.85;
