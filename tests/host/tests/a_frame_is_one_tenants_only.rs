//! A tenant gets memory of its host only, and none that another tenant has.

use proptest::prelude::*;
use unimux_abi::command::Opcode;
use unimux_abi::physical::{LISTS, PARTITION, REGION_BYTES, TABLES};
use unimux_driver::{CommandStatus, Error, PhysicalFunction};
use unimux_firmware::{NOTE_INTERVAL_NS, Note};
use unimux_host_tests::host::{FRAME, FRAMES, HostWorld, WINDOWS};
use unimux_host_tests::{RAM_IPA, Stepped};
use unimux_memory::Pa;

type Agent = PhysicalFunction<Stepped>;

fn refused<T>(status: CommandStatus) -> Result<T, Error> {
    Err(Error::Refused(status))
}

/// Two tenants, closed: doorbell pages at frames 0 and 1; the first has frames 10 to 19.
fn two() -> (HostWorld, Agent, [u16; 2]) {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let functions =
        [0, 1].map(|frame| agent.create(&host.new_function(frame)).expect("a function"));
    let ten = 10 * FRAME;
    agent
        .grant_window(functions[0], RAM_IPA, host.frame(10), ten)
        .expect("frames that are nobody's");
    (host, agent, functions)
}

#[test]
fn what_a_window_may_not_be() {
    use CommandStatus::{InUse, InvalidArgument, NotFound, OutOfReach};
    let (host, mut agent, [a, b]) = two();
    let region = host.region().ipa();
    let end = host.frame(FRAMES);
    let frame = |frame| host.frame(frame);
    let far = RAM_IPA + 0x1000_0000;
    let cases = [
        (b, far, frame(10), FRAME, InUse, "another tenant's"),
        (b, far, frame(9), 2 * FRAME, InUse, "half another tenant's"),
        (
            b,
            far,
            frame(19),
            9 * FRAME,
            InUse,
            "the end of another tenant's",
        ),
        (
            b,
            far,
            frame(0),
            FRAME,
            InUse,
            "another tenant's doorbell page",
        ),
        (b, far, frame(1), FRAME, InUse, "its own doorbell page"),
        (a, far, frame(12), FRAME, InUse, "its own by another name"),
        (
            a,
            RAM_IPA + FRAME,
            frame(30),
            FRAME,
            InUse,
            "an IPA that it has",
        ),
        (
            a,
            RAM_IPA - FRAME,
            frame(30),
            2 * FRAME,
            InUse,
            "half of it",
        ),
        (a, far, region, FRAME, OutOfReach, "the region"),
        (
            a,
            far,
            region + REGION_BYTES - FRAME,
            FRAME,
            OutOfReach,
            "the region's end",
        ),
        (a, far, end, FRAME, OutOfReach, "after the host's RAM"),
        (
            a,
            far,
            end - FRAME,
            2 * FRAME,
            OutOfReach,
            "beyond the host's RAM",
        ),
        (a, far, 0, FRAME, OutOfReach, "somewhere else"),
        (
            a,
            far,
            u64::MAX - FRAME + 1,
            FRAME,
            OutOfReach,
            "the last page there is",
        ),
        (
            a,
            far,
            frame(30),
            u64::MAX - FRAME + 1,
            OutOfReach,
            "nearly all",
        ),
        (
            a,
            u64::MAX - FRAME + 1,
            frame(30),
            FRAME,
            InvalidArgument,
            "an IPA that wraps",
        ),
        (a, far, frame(30), 0, InvalidArgument, "nothing"),
        (
            a,
            far,
            frame(30),
            FRAME + 8,
            InvalidArgument,
            "a page and a bit",
        ),
        (a, far, frame(30) + 8, FRAME, InvalidArgument, "not a page"),
        (
            a,
            far + 8,
            frame(30),
            FRAME,
            InvalidArgument,
            "not a page to the tenant",
        ),
        (b + 1, far, frame(30), FRAME, NotFound, "nobody's function"),
        (
            host.id.get(),
            far,
            frame(30),
            FRAME,
            NotFound,
            "the physical function",
        ),
        (u16::MAX, far, frame(30), FRAME, NotFound, "no function"),
    ];
    for (function, ipa, pa, len, status, what) in cases {
        let granted = agent.grant_window(function, ipa, pa, len);
        assert_eq!(granted, refused(status), "{what}");
    }
    assert_eq!(agent.query(a).unwrap().record.window_bytes, 10 * FRAME);
    assert_eq!(agent.query(b).unwrap().record.window_bytes, 0);
}

/// The log says what was refused, and not more than it can bear.
#[test]
fn the_log_says_which_memory_was_refused() {
    let (host, mut agent, [_, b]) = two();
    let pa = host.frame(10);
    let refuse = |agent: &mut Agent| {
        let granted = agent.grant_window(b, RAM_IPA, pa, FRAME);
        assert_eq!(granted, refused(CommandStatus::InUse));
    };
    for _ in 0..50 {
        refuse(&mut agent);
    }
    let note = Note::Refused {
        pa: Pa::new(pa),
        len_bytes: FRAME,
        status: CommandStatus::InUse,
    };
    assert_eq!(host.notes(), [note]);
    host.world.pass_ns(NOTE_INTERVAL_NS);
    refuse(&mut agent);
    assert_eq!(host.notes(), [note]);
}

#[test]
fn what_a_function_may_not_be_made_of() {
    use CommandStatus::{InUse, InvalidArgument, OutOfReach};
    let host = HostWorld::new(3);
    let mut agent = host.agent();
    let function = agent.create(&host.new_function(0)).unwrap();
    agent
        .grant_window(function, RAM_IPA, host.frame(10), FRAME)
        .unwrap();
    let good = host.new_function(5);
    let mut with = |doorbell, partition, weight| {
        let mut new = good;
        (new.doorbell, new.partition, new.weight) = (doorbell, partition, weight);
        agent.create(&new)
    };
    let page = good.doorbell;
    assert_eq!(with(host.frame(0), 0, 1), refused(InUse), "a doorbell page");
    assert_eq!(
        with(host.frame(10), 0, 1),
        refused(InUse),
        "a tenant's memory"
    );
    assert_eq!(with(host.frame(FRAMES), 0, 1), refused(OutOfReach));
    assert_eq!(with(host.region().ipa(), 0, 1), refused(OutOfReach));
    assert_eq!(
        with(page + 64, 0, 1),
        refused(InvalidArgument),
        "not a page"
    );
    assert_eq!(with(page, 0, 0), refused(InvalidArgument), "no weight");
    assert_eq!(with(page, PARTITION, 1), refused(InvalidArgument));
    assert!(with(page, 7, 1).is_ok());
}

#[test]
fn what_a_page_list_may_not_be() {
    use CommandStatus::{InUse, InvalidArgument, OutOfReach};
    let (host, mut agent, [_, b]) = two();
    let region = host.region().ipa();
    let mut list = |ipa, list, count, shift: u64| {
        let arguments = [u64::from(b), ipa, list, count | shift << 32, 0, 0, 0];
        agent.command(Opcode::GrantPages, arguments).map(drop)
    };
    let lists = region + LISTS;
    assert_eq!(
        list(0, lists, 1, 13),
        refused(InvalidArgument),
        "no such page"
    );
    assert_eq!(list(0, lists, 0, 12), refused(InvalidArgument), "no page");
    assert_eq!(
        list(0, lists, 8193, 12),
        refused(InvalidArgument),
        "too many"
    );
    assert_eq!(
        list(0, lists + 4, 1, 12),
        refused(InvalidArgument),
        "not a word"
    );
    assert_eq!(
        list(0, host.frame(50), 1, 12),
        refused(OutOfReach),
        "elsewhere"
    );
    assert_eq!(
        list(0, region + REGION_BYTES - 8, 2, 12),
        refused(OutOfReach)
    );
    assert_eq!(list(0, region - 8, 2, 12), refused(OutOfReach));
    assert_eq!(
        list(0, lists, 1, 12),
        refused(OutOfReach),
        "a page of zeros"
    );

    let mut pages: Vec<u64> = (0..20).map(|page| host.frame(100 + 2 * page)).collect();
    pages[15] = host.frame(12);
    let granted = agent.grant_pages(b, RAM_IPA, 12, &pages);
    assert_eq!(granted, refused(InUse));
    let windows = agent.query(b).unwrap().record.windows;
    assert_eq!(windows, 0, "all or nothing");
    pages[15] = host.frame(99);
    agent.grant_pages(b, RAM_IPA, 12, &pages).unwrap();
    agent.open(b).unwrap();
    let granted = agent.grant_pages(b, 2 * RAM_IPA, 12, &[host.frame(98), host.frame(12)]);
    assert_eq!(granted, refused(InUse));
    let windows = agent.query(b).unwrap().record.windows;
    assert_eq!(windows, 21, "an open one's guest may use them already");
    agent.destroy(b).unwrap();
    let again = agent.create(&host.new_function(1)).unwrap();
    let many: Vec<u64> = (0..=WINDOWS as u64)
        .map(|page| host.frame(100 + 2 * page))
        .collect();
    let granted = agent.grant_pages(again, RAM_IPA, 12, &many);
    assert_eq!(granted, refused(CommandStatus::QuotaExceeded));
    let two = [u64::MAX - FRAME + 1, host.frame(50)];
    let granted = agent.grant_pages(again, u64::MAX - FRAME + 1, 12, &two);
    assert!(granted.is_err(), "an IPA that wraps");
}

#[test]
fn what_tables_may_not_be() {
    let (host, mut agent, [a, _]) = two();
    let mut list = |pa, room| agent.command(Opcode::ListFunctions, [pa, room, 0, 0, 0, 0, 0]);
    let tables = host.region().ipa() + TABLES;
    assert_eq!(list(tables, 0), Ok(2));
    assert_eq!(list(tables + 8, 1), refused(CommandStatus::InvalidArgument));
    assert_eq!(
        list(tables, u64::MAX),
        refused(CommandStatus::InvalidArgument)
    );
    assert_eq!(list(host.frame(0), 1), refused(CommandStatus::OutOfReach));
    assert_eq!(
        list(tables + 0x1_ffc0, 2),
        refused(CommandStatus::OutOfReach)
    );
    let mut query = |pa| agent.command(Opcode::QueryFunction, [u64::from(a), pa, 0, 0, 0, 0, 0]);
    assert_eq!(query(tables), Ok(0));
    assert_eq!(query(host.frame(10)), refused(CommandStatus::OutOfReach));
    assert_eq!(query(tables + 0x1_ff40), refused(CommandStatus::OutOfReach));
}

/// What an agent may ask for, with frames and IPAs from a few.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Create(u64),
    Grant(usize, u64, u64, u64),
    Pages(usize, u64, [u64; 3]),
    Open(usize),
    Reset(usize),
    Destroy(usize),
}

fn ask() -> impl Strategy<Value = Ask> {
    let tenant = 0..4usize;
    let frame = 0..40u64;
    prop_oneof![
        2 => frame.clone().prop_map(Ask::Create),
        4 => (tenant.clone(), 0..40u64, frame.clone(), 1..6u64)
            .prop_map(|(tenant, ipa, frame, len)| Ask::Grant(tenant, ipa, frame, len)),
        2 => (tenant.clone(), 0..40u64, [frame.clone(), frame.clone(), frame])
            .prop_map(|(tenant, ipa, frames)| Ask::Pages(tenant, ipa, frames)),
        1 => tenant.clone().prop_map(Ask::Open),
        1 => tenant.clone().prop_map(Ask::Reset),
        1 => tenant.prop_map(Ask::Destroy),
    ]
}

/// A tenant as the model has it: its doorbell frame, and its frames by page of IPA.
#[derive(Debug, Default)]
struct Model {
    doorbell: u64,
    pages: std::collections::BTreeMap<u64, u64>,
    open: bool,
}

fn is_taken(models: &[Option<Model>], frame: u64) -> bool {
    let mut there = models.iter().flatten();
    there.any(|model| model.doorbell == frame || model.pages.values().any(|page| *page == frame))
}

/// Grants one page in the model. Whether it may be.
fn grants(models: &mut [Option<Model>], tenant: usize, page: u64, frame: u64) -> bool {
    if is_taken(models, frame) {
        return false;
    }
    let Some(model) = &mut models[tenant] else {
        return false;
    };
    if model.pages.contains_key(&page) {
        return false;
    }
    model.pages.insert(page, frame);
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever an agent asks for, in whatever order, is granted exactly when the frames are
    /// nobody's and the addresses are free; and what is destroyed can be had again.
    #[test]
    fn frames_are_had_as_the_model_says(asks in prop::collection::vec(ask(), 1..80)) {
        let host = HostWorld::new(4);
        let mut agent = host.agent();
        let first = host.id.get() + 1;
        let mut models: Vec<Option<Model>> = (0..4).map(|_| None).collect();
        for ask in asks {
            let function = |tenant: usize| first + tenant as u16;
            match ask {
                Ask::Create(frame) => {
                    let place = models.iter().position(Option::is_none);
                    let may = place.filter(|_| !is_taken(&models, frame));
                    let made = agent.create(&host.new_function(frame));
                    prop_assert_eq!(made.ok(), may.map(function));
                    if let Some(place) = may {
                        let doorbell = frame;
                        models[place] = Some(Model { doorbell, ..Model::default() });
                    }
                }
                Ask::Grant(tenant, page, frame, len) => {
                    let may = models[tenant].as_ref().is_some_and(|model| {
                        (0..len).all(|i| {
                            !is_taken(&models, frame + i) && !model.pages.contains_key(&(page + i))
                        })
                    });
                    let (ipa, pa) = (page * FRAME, host.frame(frame));
                    let granted = agent.grant_window(function(tenant), ipa, pa, len * FRAME);
                    prop_assert_eq!(granted.is_ok(), may);
                    for i in (0..len).filter(|_| may) {
                        grants(&mut models, tenant, page + i, frame + i);
                    }
                }
                Ask::Pages(tenant, page, frames) => {
                    let list = frames.map(|frame| host.frame(frame));
                    let granted = agent.grant_pages(function(tenant), page * FRAME, 12, &list);
                    let is_open = models[tenant].as_ref().is_some_and(|model| model.open);
                    let mut done = Vec::new();
                    let may = (page..).zip(frames).all(|(page, frame)| {
                        let may = grants(&mut models, tenant, page, frame);
                        done.extend(may.then_some(page));
                        may
                    });
                    prop_assert_eq!(granted.is_ok(), may);
                    if let Some(model) = models[tenant].as_mut().filter(|_| !may && !is_open) {
                        model.pages.retain(|page, _| !done.contains(page));
                    }
                }
                Ask::Open(tenant) => {
                    let model = models[tenant].as_mut().filter(|model| !model.open);
                    prop_assert_eq!(agent.open(function(tenant)).is_ok(), model.is_some());
                    if let Some(model) = model {
                        model.open = true;
                    }
                }
                Ask::Reset(tenant) => {
                    let may = models[tenant].as_ref().is_some_and(|model| model.open);
                    prop_assert_eq!(agent.reset(function(tenant)).is_ok(), may);
                }
                Ask::Destroy(tenant) => {
                    let may = models[tenant].take().is_some();
                    prop_assert_eq!(agent.destroy(function(tenant)).is_ok(), may);
                }
            }
            for (tenant, model) in models.iter().enumerate() {
                let report = agent.query(function(tenant)).ok();
                let bytes = report.map(|report| report.record.window_bytes);
                let pages = model.as_ref().map(|model| model.pages.len() as u64 * FRAME);
                prop_assert_eq!(bytes, pages);
            }
        }
    }
}
