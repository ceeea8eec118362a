//! What people see: progress of long steps, lines of a run, errors.
//!
//! On a terminal steps spin and lines are coloured (unless `NO_COLOR` is set); elsewhere every step
//! is one plain line when it begins and one when it ends.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::{OwoColorize, Style};

use crate::console::Line;

/// Whether standard output takes colours.
pub(crate) fn colours() -> bool {
    static COLOURS: OnceLock<bool> = OnceLock::new();
    *COLOURS.get_or_init(|| {
        std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
            && std::io::stdout().is_terminal()
    })
}

/// Shows an error with all its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let head = paint("error:", Style::new().red().bold(), colours());
    eprintln!("{head} {error:#}");
}

/// Shows a line that is not part of the result.
pub(crate) fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

fn paint(text: &str, style: Style, colours: bool) -> String {
    if colours {
        text.style(style).to_string()
    } else {
        text.to_owned()
    }
}

/// A long step, from its making to [`Step::done`].
pub(crate) struct Step {
    what: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Says what begins.
    pub(crate) fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what.clone());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            note(format!("{what} …"));
        }
        Self {
            what,
            since: Instant::now(),
            bar,
        }
    }

    /// Says what begins that has `bytes` bytes to go through.
    pub(crate) fn measured(what: impl Into<String>, bytes: u64) -> Self {
        let step = Self::begin(what);
        let template = "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {eta} left";
        if let (Some(bar), Ok(style)) = (&step.bar, ProgressStyle::with_template(template)) {
            bar.set_style(style);
            bar.set_length(bytes);
        }
        step
    }

    /// So many bytes more are through.
    pub(crate) fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    /// Says what is going on inside it; on a terminal only.
    pub(crate) fn detail(&self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {detail}", self.what));
        }
    }

    /// Says how it ended.
    pub(crate) fn done(self, result: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        note(format!(
            "{}: {result} ({:.1} s)",
            self.what,
            self.since.elapsed().as_secs_f32()
        ));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows lines of a run as they come, each guest's under its name.
pub(crate) struct Screen {
    guests: Vec<String>,
    width: usize,
    json: bool,
    colours: bool,
}

impl Screen {
    /// For guests of these names; `json` shows an object per line.
    pub(crate) fn new(guests: Vec<String>, json: bool) -> Self {
        let width = guests.iter().map(String::len).max().unwrap_or(0);
        Self {
            guests,
            width,
            json,
            colours: colours(),
        }
    }

    /// The same without colours, for files.
    pub(crate) fn plain(guests: Vec<String>) -> Self {
        Self {
            colours: false,
            ..Self::new(guests, false)
        }
    }

    /// Shows one line.
    pub(crate) fn show(&self, line: &Line) {
        let text = if self.json {
            line.to_json(&self.guests).to_string()
        } else {
            self.text(line)
        };
        // A reader that went away is no reason to fail the run.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A line as text.
    pub(crate) fn text(&self, line: &Line) -> String {
        let paint = |text: &str, style| paint(text, style, self.colours);
        match line {
            Line::Guest { index, text } => {
                let name = self.guests.get(*index).map_or("?", String::as_str);
                let colour = [
                    Style::new().cyan(),
                    Style::new().magenta(),
                    Style::new().green(),
                ];
                let head = format!("{name:>width$}| ", width = self.width);
                format!("{}{text}", paint(&head, colour[index % colour.len()]))
            }
            Line::Log {
                time,
                core,
                level,
                message,
            } => {
                let style = match level.as_str() {
                    "error" => Style::new().red().bold(),
                    "warn" => Style::new().yellow(),
                    "info" => Style::new().blue(),
                    _ => Style::new().dimmed(),
                };
                let core = core
                    .as_ref()
                    .map_or(String::new(), |core| format!(" core {core}"));
                let head = format!("[{:>11}{core}]", time.as_deref().unwrap_or(""));
                let level = paint(&format!("{:<5}", level.to_uppercase()), style);
                format!("{} {level} {message}", paint(&head, Style::new().dimmed()))
            }
            Line::Text(text) => text.clone(),
            Line::Damaged { bytes } => paint(
                &format!("({bytes} bytes were lost on the line)"),
                Style::new().yellow(),
            ),
        }
    }
}
