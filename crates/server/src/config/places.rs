//! Where panels lie whose file does not say: in the first gap of the grid that is large enough, in the order of the file.
//!
//! Pure. Panels are those of a board's definition, with `x`, `y`, `w`, `h` where they are known; afterwards all have them.

use serde_json::Value as Json;

/// The width of the grid.
pub(crate) const GRID_COLUMNS: i64 = 12;

/// The most panels of one board.
pub(crate) const PANELS_MAX: usize = 200;

/// The largest of what a place may say.
pub(crate) const CELLS_MAX: i64 = 1_000;

/// How wide and high a panel is that does not say it.
fn size_of(kind: &str) -> (i64, i64) {
    match kind {
        "stat" => (3, 2),
        "gauge" => (3, 3),
        "text" => (4, 2),
        "timeseries" | "heatmap" => (6, 4),
        "statetimeline" => (6, 3),
        "candles" => (8, 5),
        _ => (4, 4),
    }
}

/// Cells of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    x: i64,
    y: i64,
    w: i64,
    h: i64,
}

impl Place {
    const fn meets(&self, other: &Self) -> bool {
        self.x < other.x + other.w
            && other.x < self.x + self.w
            && self.y < other.y + other.h
            && other.y < self.y + self.h
    }
}

/// Gives every panel a place. Those that have one keep it.
pub(crate) fn place(panels: &mut [Json]) {
    // What is no panel, or lies beyond all grids, is refused by whoever reads it.
    let known = |panel: &Json, key: &str| panel.get(key).and_then(Json::as_i64).filter(|n| (0..=CELLS_MAX).contains(n));
    if panels.len() > PANELS_MAX || !panels.iter().all(Json::is_object) {
        return;
    }
    let mut taken: Vec<Place> = Vec::with_capacity(panels.len());
    for panel in panels.iter_mut() {
        let (w, h) = size_of(panel["type"].as_str().unwrap_or_default());
        let room = GRID_COLUMNS - known(panel, "x").unwrap_or(0);
        for (key, default) in [("w", w.min(room).max(1)), ("h", h)] {
            if known(panel, key).is_none() {
                panel[key] = default.into();
            }
        }
        if let (Some(x), Some(y)) = (known(panel, "x"), known(panel, "y")) {
            taken.push(Place { x, y, w: known(panel, "w").unwrap_or(w), h: known(panel, "h").unwrap_or(h) });
        }
    }
    for panel in panels.iter_mut() {
        let (x, y) = (known(panel, "x"), known(panel, "y"));
        if x.is_some() && y.is_some() {
            continue;
        }
        let (w, h) = (known(panel, "w").unwrap_or(1), known(panel, "h").unwrap_or(1));
        let found = gap(&taken, (w, h), (x, y));
        taken.push(found);
        panel["x"] = found.x.into();
        panel["y"] = found.y.into();
    }
}

/// The first gap in reading order, in the column or the row that is said.
fn gap(taken: &[Place], (w, h): (i64, i64), (x, y): (Option<i64>, Option<i64>)) -> Place {
    let bottom = taken.iter().map(|place| place.y + place.h).max().unwrap_or(0);
    let columns = x.map_or(0..=(GRID_COLUMNS - w).max(0), |x| x..=x);
    let rows = y.map_or(0..=bottom, |y| y..=y);
    let all = rows.flat_map(|y| columns.clone().map(move |x| Place { x, y, w, h }));
    let free = |place: &Place| !taken.iter().any(|other| other.meets(place));
    // A row that is said and full: it lies there all the same, and the page shows that two meet.
    all.into_iter().find(free).unwrap_or(Place { x: x.unwrap_or(0), y: y.unwrap_or(bottom), w, h })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placed(mut panels: Json) -> Vec<[i64; 4]> {
        let panels = panels.as_array_mut().unwrap();
        place(panels);
        panels.iter().map(|panel| ["x", "y", "w", "h"].map(|key| panel[key].as_i64().unwrap())).collect()
    }

    #[test]
    fn panels_without_a_place_fill_the_grid_in_their_order() {
        let stats = vec![json!({"type": "stat"}); 5];
        assert_eq!(placed(json!(stats)), [[0, 0, 3, 2], [3, 0, 3, 2], [6, 0, 3, 2], [9, 0, 3, 2], [0, 2, 3, 2]]);
        let mixed = json!([
            {"type": "timeseries", "w": 12}, {"type": "table"}, {"type": "stat", "x": 3, "y": 0}, {"type": "bars", "x": 6},
            {"type": "text", "y": 40},
        ]);
        let expected = [[0, 2, 12, 4], [0, 6, 4, 4], [3, 0, 3, 2], [6, 6, 4, 4], [0, 40, 4, 2]];
        assert_eq!(placed(mixed), expected);
        // What is said stays, even where two meet; a wide one without a width takes what is left of its row.
        let said =
            json!([{"type": "stat", "x": 0, "y": 0}, {"type": "stat", "x": 0, "y": 0}, {"type": "candles", "x": 8}]);
        assert_eq!(placed(said), [[0, 0, 3, 2], [0, 0, 3, 2], [8, 0, 4, 5]]);
        let mut many = vec![json!({"type": "text"}); PANELS_MAX + 1];
        place(&mut many);
        assert_eq!(many[0], json!({"type": "text"}), "a board that is refused is not laid out");
    }
}
