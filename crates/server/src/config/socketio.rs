//! `[socketio]`: what events are called over Socket.IO, and the board that every connection joins by itself.

use pulseboard_gateway::SocketIoConfig;
use pulseboard_protocol::Channel;
use pulseboard_protocol::socketio::{EventNames, check_event_name};

use super::reader::{Problem, Reader};
use super::values::wrong;

/// Reads `[socketio]`; what is not set keeps its default, a name of an event that of the preset.
pub(super) fn read_socketio(root: &mut Reader<'_>, file: &str, problems: &mut Vec<Problem>) -> SocketIoConfig {
    let mut config = SocketIoConfig::default();
    let Some(table) = root.table("socketio", problems) else { return config };
    let mut reader = Reader::new(file, "socketio", table);
    let preset = reader.read("preset", problems, |value| {
        value.as_str().and_then(EventNames::preset).ok_or_else(|| {
            let known = EventNames::PRESETS.map(|name| format!("`{name}`"));
            wrong(&known.join(" or "), value)
        })
    });
    config.events = preset.unwrap_or_default();
    config.default_board = reader.read("default_board", problems, |value| {
        let board = value.as_str().ok_or_else(|| wrong("the name of a board", value))?;
        // Whether there is such a board is seen when somebody joins it: it may come later.
        let Ok(Channel::Board { .. }) = format!("board:{board}").parse() else {
            return Err(format!(
                "`{board}` is not a board: write its name, or its name with variables (`shop?region=north`)"
            ));
        };
        Ok(board.to_owned())
    });
    if let Some(table) = reader.table("events", problems) {
        let mut events = Reader::new(file, "socketio.events", table);
        for (key, name) in config.events.table() {
            let read = events.read(key, problems, |value| {
                let text = value.as_str().ok_or_else(|| wrong("the name of an event", value))?;
                check_event_name(text).map(|()| text.to_owned())
            });
            if let Some(read) = read {
                *name = read;
            }
        }
        if let Err(what) = config.events.check() {
            events.problem("", what, problems);
        }
        events.finish(problems);
    }
    reader.finish(problems);
    config
}
