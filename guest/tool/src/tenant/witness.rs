//! `--by`: has a bare-metal guest measure the same, to compare with.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use unimux_exchange::letter::{Letter, Subject};
use unimux_exchange::task::{self, Question};

use super::Measurement;
use super::machine::{Machine, broken};

/// Between two looks for the answer. This machine's core sleeps meanwhile: the witness may want it.
const NAP: Duration = Duration::from_millis(2);

/// Asks `by` for what `asked` says; the answer is nanoseconds.
pub(crate) fn ask(asked: &Measurement, by: &str, question: Question) -> Result<u64> {
    let mut machine = Machine::open(asked.own)?;
    let witness = machine.peer(by)?;
    let too_large = "a witness takes requests of less than 16M, and so many at most";
    let measurement = task::Measurement {
        question,
        operation: asked.op.into(),
        peer: u8::try_from(machine.peer(&asked.peer)?)?,
        len_bytes: u32::try_from(asked.size).context(too_large)?,
        count: u32::try_from(asked.iters).context(too_large)?,
    };
    let word = measurement.to_word().context(too_large)?;
    let letter = Letter::task(task::MEASURE, word);
    let session = &mut machine.session;
    session.send(witness, letter).map_err(broken)?;
    let began = Instant::now();
    loop {
        let answer = session.poll(witness, Subject::Done).map_err(broken)?;
        if let Some(answer) = answer {
            let measured = answer.number() == task::MEASURE && answer.value() > 0;
            ensure!(measured, "{by} could not measure: its console says why");
            return Ok(answer.value());
        }
        if began.elapsed() > Duration::from_secs(asked.own.timeout) {
            bail!("{by} does not answer: does it run the program `witness`?");
        }
        sleep(NAP);
    }
}
