//! What reaches a function unasked.

use unimux_abi::completion::{Detail, Status};
use unimux_abi::physical::StopReason;
use unimux_abi::response;

/// Something that happened to the function, or reached it (IBTA 11.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another function sent three words.
    Message {
        /// The function that sent them.
        source: u32,
        /// What it sent.
        words: [u64; 3],
    },
    /// A queue pair went to the error state.
    QpFatal {
        /// Its handle.
        qp: u32,
        /// The status of the completion that did it, if it is a known one.
        status: Option<Status>,
        /// More about it, if it is a known one.
        detail: Option<Detail>,
    },
    /// A completion queue overran.
    CqOverrun {
        /// Its handle.
        cq: u32,
    },
    /// The function is stopped.
    FunctionFatal {
        /// Why.
        reason: u64,
    },
    /// To the physical function: a tenant's function was stopped.
    TenantStopped {
        /// The function.
        function: u32,
        /// Why, if it is a known reason.
        reason: Option<StopReason>,
        /// What the agent that made the function gave with it.
        cookie: u64,
    },
    /// To the physical function: tenants sleep on completion queues that have completions.
    TenantCompletions {
        /// Their functions, a bit for each.
        functions: u64,
    },
    /// An event that this driver does not know.
    Unknown {
        /// Its number.
        code: u16,
        /// Its words.
        words: [u64; 3],
    },
}

impl Event {
    /// The event in `entry`, whose kind says that it is one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "handles are 32 bits; numbers that do not fit name nothing"
    )]
    pub(crate) fn from_entry(entry: &response::Entry) -> Self {
        let head = entry.head();
        let words = entry.words();
        match response::Event::from_bits(head.code()) {
            Some(response::Event::Message) => Self::Message {
                source: u32::from(head.source()),
                words,
            },
            Some(response::Event::QpFatal) => Self::QpFatal {
                qp: words[0] as u32,
                status: u8::try_from(words[1]).ok().and_then(Status::from_bits),
                detail: u32::try_from(words[2]).ok().and_then(Detail::from_bits),
            },
            Some(response::Event::CqOverrun) => Self::CqOverrun {
                cq: words[0] as u32,
            },
            Some(response::Event::FunctionFatal) => Self::FunctionFatal { reason: words[0] },
            Some(response::Event::TenantStopped) => Self::TenantStopped {
                function: words[0] as u32,
                reason: StopReason::from_bits(words[1]),
                cookie: words[2],
            },
            Some(response::Event::TenantCompletions) => Self::TenantCompletions {
                functions: words[0],
            },
            None => Self::Unknown {
                code: head.code(),
                words,
            },
        }
    }
}
