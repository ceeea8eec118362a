//! An attached function and the letters that came to it.

use heapless::Deque;
use unimux_abi::control;
use unimux_driver::{CommandStatus, Device, Error, Event, Memory, Platform, ProtectionDomain};

use crate::letter::{Letter, Subject};

/// Letters that may wait unread.
const LETTERS: usize = 16;

/// How long a program waits for its peers, who boot at the same time, unless it says otherwise.
pub const PATIENCE_NS: u64 = 60_000_000_000;

/// The function in use, with one protection domain.
#[derive(Debug)]
pub struct Session<P> {
    /// The driver.
    pub device: Device<P>,
    /// The domain of everything that these programs make.
    pub pd: ProtectionDomain,
    /// How long to wait for a peer, in nanoseconds.
    pub patience_ns: u64,
    /// After how long a hello is said again, if it is: the first one may have reached a program
    /// that was about to end.
    pub hello_again_ns: Option<u64>,
    letters: Deque<(u32, Letter), LETTERS>,
}

impl<P: Platform> Session<P> {
    /// Attaches the function that `platform` reaches, and makes a protection domain.
    ///
    /// # Errors
    /// The driver's.
    pub fn open(platform: impl Into<P>, memory: &mut impl Memory) -> Result<Self, Error> {
        let page = memory.take_block(control::PAGE_BYTES)?;
        Self::of_device(Device::attach(platform.into(), page)?)
    }

    /// Makes a protection domain of `device`.
    ///
    /// # Errors
    /// The driver's.
    pub fn of_device(mut device: Device<P>) -> Result<Self, Error> {
        let pd = device.alloc_pd()?;
        Ok(Self {
            device,
            pd,
            patience_ns: PATIENCE_NS,
            hello_again_ns: None,
            letters: Deque::new(),
        })
    }

    /// The identity that peers know this function by.
    pub fn id(&self) -> u32 {
        self.device.limits().function
    }

    /// Sends `letter`, again and again while the peer is not there yet or has no room.
    ///
    /// # Errors
    /// The last refusal when it took too long, or any other error of the driver.
    pub fn send(&mut self, to: u32, letter: Letter) -> Result<(), Error> {
        let began = self.device.platform().now_ns();
        loop {
            let sent = self.device.message(to, letter.0);
            let later = matches!(
                sent,
                Err(Error::Refused(
                    CommandStatus::NoSuchPeer | CommandStatus::PeerBusy
                ))
            );
            if !later || self.device.platform().now_ns() - began > self.patience_ns {
                return sent;
            }
            self.device.platform().relax();
        }
    }

    /// The next letter from `from` about `subject`, if it has come. Letters about other things
    /// are kept.
    ///
    /// # Errors
    /// An event that is no letter: nobody expects one here.
    pub fn poll(&mut self, from: u32, subject: Subject) -> Result<Option<Letter>, Error> {
        let found = self.poll_if(|source, letter| source == from && letter.is(subject))?;
        Ok(found.map(|(_, letter)| letter))
    }

    /// The next letter about `subject`, if one has come, and who sent it. Others are kept.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_any(&mut self, subject: Subject) -> Result<Option<(u32, Letter)>, Error> {
        self.poll_if(|_, letter| letter.is(subject))
    }

    fn poll_if(
        &mut self,
        wanted: impl Fn(u32, &Letter) -> bool,
    ) -> Result<Option<(u32, Letter)>, Error> {
        for _ in 0..self.letters.len() {
            if let Some((source, letter)) = self.letters.pop_front() {
                if wanted(source, &letter) {
                    return Ok(Some((source, letter)));
                }
                let _ = self.letters.push_back((source, letter));
            }
        }
        while let Some(event) = self.device.poll_event()? {
            match event {
                Event::Message { source, words } => {
                    let letter = Letter(words);
                    if wanted(source, &letter) {
                        return Ok(Some((source, letter)));
                    }
                    // A full box means that a peer says what nobody reads: drop the newest.
                    let _ = self.letters.push_back((source, letter));
                }
                Event::FunctionFatal { reason } => return Err(Error::FunctionStopped(reason)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Says `hello` until `peer` says its own.
    pub(crate) fn greet(&mut self, peer: u32, hello: Letter) -> Result<Letter, Error> {
        let patience_ns = self.patience_ns;
        let began = self.device.platform().now_ns();
        loop {
            self.send(peer, hello)?;
            let once_ns = self.hello_again_ns.unwrap_or(patience_ns);
            let answer = self.wait_for(peer, Subject::Hello, once_ns);
            let waited = self.device.platform().now_ns() - began;
            if answer != Err(Error::Timeout) || waited > patience_ns {
                return answer;
            }
        }
    }

    /// Whether a hello was kept that is not `of` the connection that this session serves.
    pub fn has_other_hello(&self, peer: u32, of: Letter) -> bool {
        let mut letters = self.letters.iter();
        letters.any(|(source, letter)| {
            letter.is(Subject::Hello) && (*source != peer || letter.qpn() != of.qpn())
        })
    }

    /// Forgets the letters of a connection of `peer` that is closed, and the `hello` of it that was
    /// said again.
    pub fn forget(&mut self, peer: u32, hello: Letter) {
        self.letters.retain(|(source, letter)| {
            let is_new = letter.is(Subject::Hello) && letter.qpn() != hello.qpn();
            *source != peer || is_new
        });
    }

    /// Waits for the next letter from `from` about `subject`.
    ///
    /// # Errors
    /// [`Error::Timeout`], or as [`poll`](Self::poll).
    pub fn wait(&mut self, from: u32, subject: Subject) -> Result<Letter, Error> {
        self.wait_for(from, subject, self.patience_ns)
    }

    /// As [`wait`](Self::wait), for `ns` nanoseconds at most.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_for(&mut self, from: u32, subject: Subject, ns: u64) -> Result<Letter, Error> {
        self.look_for(ns, |it| it.poll(from, subject))
    }

    /// Waits for the next letter about `subject` from anybody.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_any(&mut self, subject: Subject) -> Result<(u32, Letter), Error> {
        self.look_for(self.patience_ns, |it| it.poll_any(subject))
    }

    /// Waits until `look` finds something, for `ns` nanoseconds at most. It is woken by letters
    /// only, if it sleeps.
    pub(crate) fn look_for<T, E: From<Error>>(
        &mut self,
        ns: u64,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>, E>,
    ) -> Result<T, E> {
        let began = self.device.platform().now_ns();
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            let waited_ns = self.device.platform().now_ns() - began;
            if waited_ns > ns {
                return Err(Error::Timeout.into());
            }
            self.device.rest(waited_ns, ns);
        }
    }

    /// Asks `peer` for the task `number` with `argument`, and waits for its result.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`wait`](Self::wait).
    pub fn ask(&mut self, peer: u32, number: u64, argument: u64) -> Result<u64, Error> {
        self.send(peer, Letter::task(number, argument))?;
        self.result(peer)
    }

    /// Waits for the result of a task that `peer` was asked for.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn result(&mut self, peer: u32) -> Result<u64, Error> {
        Ok(self.wait(peer, Subject::Done)?.value())
    }

    /// Waits until `peer` has come to the point `number` as well.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`wait`](Self::wait); [`Error::BrokenAnswer`] if the peer is
    /// somewhere else.
    pub fn meet(&mut self, peer: u32, number: u64) -> Result<(), Error> {
        self.send(peer, Letter::reached(number))?;
        let theirs = self.wait(peer, Subject::Reached)?.number();
        if theirs == number {
            Ok(())
        } else {
            Err(Error::BrokenAnswer(theirs))
        }
    }
}
