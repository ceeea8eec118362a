//! Writes a scenario into a device tree; the inverse of [`crate::read()`].
//!
//! It does not check: a tool that wants to test a refusal writes what is wrong on purpose.

use alloc::format;
use alloc::vec::Vec;

use dtoolkit::ToPropertyValue;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

use crate::binding::{self, property as name};
use crate::{Guest, Host, Module, OnFault, Scenario};

/// Puts `scenario` under `/chosen/unimux` of `tree`, in place of what is there.
pub fn write(scenario: &Scenario, tree: &mut DeviceTree) {
    let mut node = DeviceTreeNode::new_unchecked("unimux");
    add(&mut node, name::COMPATIBLE, binding::COMPATIBLE);
    add(&mut node, name::ENGINE_CORE, scenario.engine_core);
    if let Some(kind) = scenario.engine.kind {
        add(&mut node, name::ENGINE, kind.name());
    }
    if let Some(bytes) = scenario.engine.crossover_bytes {
        add(&mut node, name::ENGINE_CROSSOVER, bytes);
    }
    add(&mut node, name::IDLE_FUNCTIONS, scenario.idle_functions);
    if scenario.baseline {
        add(&mut node, name::BASELINE, Vec::<u8>::new());
    }
    for (index, guest) in scenario.guests.iter().enumerate() {
        node.add_child(guest_node(index, guest));
    }
    if let Some(host) = &scenario.host {
        node.add_child(host_node(host));
    }
    if tree.find_node_mut("/chosen").is_none() {
        tree.root.add_child(DeviceTreeNode::new_unchecked("chosen"));
    }
    let chosen = tree.find_node_mut("/chosen").expect("it is there now");
    chosen.remove_child("unimux");
    chosen.add_child(node);
}

fn guest_node(index: usize, guest: &Guest) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new_unchecked(format!("{}@{index:x}", binding::GUEST));
    add(&mut node, name::ROLE, binding::ROLE_GUEST);
    add(&mut node, name::LABEL, guest.name.as_str());
    add(&mut node, name::CORES, guest.cores.as_slice());
    if let Some(weight) = guest.share {
        add(&mut node, name::SHARE, weight);
    }
    add(&mut node, name::MEMORY_BYTES, guest.memory_bytes);
    if let Some(base) = guest.memory_at {
        add(&mut node, name::MEMORY_AT, base);
    }
    add(&mut node, name::IMAGE, cells(guest.image));
    if let Some(payload) = guest.payload {
        add(&mut node, name::PAYLOAD, cells(payload));
    }
    match guest.on_fault {
        OnFault::Stop => add(&mut node, name::ON_FAULT, binding::STOP),
        OnFault::Restart { times_max } => {
            add(&mut node, name::ON_FAULT, binding::RESTART);
            add(&mut node, name::RESTARTS_MAX, times_max);
        }
    }
    add(&mut node, name::BOOTARGS, guest.arguments.as_str());
    let function = &guest.function;
    add(&mut node, name::PARTITION, u32::from(function.partition));
    add(&mut node, name::WEIGHT, u32::from(function.weight));
    let quota = &function.quota;
    add(
        &mut node,
        name::QUOTA,
        [quota.pds, quota.cqs, quota.qps, quota.mrs, quota.pages],
    );
    node
}

fn host_node(host: &Host) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new_unchecked(binding::KVM_HOST);
    add(&mut node, name::CORES, host.cores.as_slice());
    add(&mut node, name::KERNEL, cells(host.kernel));
    if let Some(initrd) = host.initrd {
        add(&mut node, name::INITRD, cells(initrd));
    }
    add(&mut node, name::BOOTARGS, host.arguments.as_str());
    add(&mut node, name::FUNCTIONS, host.functions);
    node
}

fn add(node: &mut DeviceTreeNode, name: &'static str, value: impl ToPropertyValue) {
    node.add_property(DeviceTreeProperty::new_unchecked(name, value));
}

fn cells(module: Module) -> [u32; 4] {
    let [pa, len] = [module.pa, module.len_bytes];
    [(pa >> 32) as u32, pa as u32, (len >> 32) as u32, len as u32]
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::read::{ReadError, read};
    use crate::strategy::{guest, scenario};
    use alloc::string::String;
    use proptest::prelude::*;
    use unimux_tree::Tree;

    fn there_and_back(tree: &DeviceTree) -> Result<Scenario, String> {
        let dtb = tree.to_dtb();
        read(&Tree::new(&dtb).unwrap()).map_err(|error| error.to_string())
    }

    fn tree_of_one() -> DeviceTree {
        let mut tree = DeviceTree::new();
        let guests = alloc::vec![guest("a", 1)];
        write(
            &Scenario {
                engine_core: 0,
                engine: crate::Engine::default(),
                idle_functions: 0,
                baseline: true,
                guests,
                host: None,
            },
            &mut tree,
        );
        tree
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(scenario in scenario()) {
            let mut tree = DeviceTree::new();
            write(&scenario, &mut tree);
            write(&scenario, &mut tree);
            prop_assert_eq!(there_and_back(&tree).unwrap(), scenario);
        }

        /// A tree with any byte changed is read or refused, and never ends the reader.
        #[test]
        fn a_damaged_tree_is_read_or_refused(at: prop::sample::Index, to: u8) {
            let mut dtb = tree_of_one().to_dtb();
            let at = at.index(dtb.len());
            dtb[at] = to;
            if let Ok(fdt) = Tree::new(&dtb) {
                let _ = read(&fdt);
            }
        }
    }

    #[test]
    fn each_break_of_the_binding_is_named() {
        type Damage = fn(&mut DeviceTreeNode);
        let on_scenario: [(Damage, &str); 5] = [
            (
                |n| drop(n.remove_property("compatible")),
                "/chosen/unimux: compatible must be",
            ),
            (
                |n| drop(n.remove_property("engine-core")),
                "property engine-core is missing",
            ),
            (
                |n| add(n, "engine-cores", 1u32),
                "property engine-cores is not known",
            ),
            (
                |n| add(n, "baseline", 1u32),
                "property baseline must be empty",
            ),
            (
                |n| n.add_child(DeviceTreeNode::new("host@0").unwrap()),
                "unimux/host@0: no such node",
            ),
        ];
        let on_guest: [(Damage, &str); 12] = [
            (
                |n| add(n, "role", "kvm-host"),
                "guest@0: role \"kvm-host\" is not supported",
            ),
            (
                |n| drop(n.remove_property("label")),
                "guest@0: property label is missing",
            ),
            (
                |n| add(n, "label", b"\xff\0".as_slice()),
                "property label must be a string",
            ),
            (
                |n| add(n, "cores", b"abc".as_slice()),
                "property cores must be a list of cells",
            ),
            (
                |n| add(n, "memory-bytes", 1u32),
                "property memory-bytes must be two cells",
            ),
            (
                |n| add(n, "image", 1u64),
                "property image must be four cells",
            ),
            (
                |n| add(n, "on-fault", "explode"),
                "on-fault must be \"stop\" or \"restart\"",
            ),
            (
                |n| add(n, "on-fault", "restart"),
                "property restarts-max is missing",
            ),
            (
                |n| add(n, "restarts-max", 1u32),
                "restarts-max must be absent",
            ),
            (
                |n| add(n, "weight", 0x1_0000u32),
                "weight must be one cell below 65536",
            ),
            (
                |n| add(n, "quota", [1u32, 2]),
                "property quota must be five cells",
            ),
            (
                |n| n.add_child(DeviceTreeNode::new("x").unwrap()),
                "guest@0/x: no such node",
            ),
        ];
        let cases = on_scenario.map(|(damage, says)| ("/chosen/unimux", damage, says));
        let cases = cases
            .into_iter()
            .chain(on_guest.map(|(damage, says)| ("/chosen/unimux/guest@0", damage, says)));
        for (path, damage, says) in cases {
            let mut tree = tree_of_one();
            damage(tree.find_node_mut(path).unwrap());
            let message = there_and_back(&tree).unwrap_err();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
        assert_eq!(
            there_and_back(&DeviceTree::new()),
            Err(ReadError::NoScenario.to_string())
        );
    }

    #[test]
    fn an_engine_is_known_where_there_can_be_one() {
        let mut tree = tree_of_one();
        let node = tree.find_node_mut("/chosen/unimux").unwrap();
        add(node, "engine", "abacus");
        let says = match cfg!(feature = "dma") {
            true => "engine must be \"cpu\", \"zdma\" or \"cdma\"",
            false => "property engine is not known",
        };
        let message = there_and_back(&tree).unwrap_err();
        assert!(message.contains(says), "{message:?} does not say {says:?}");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let mut tree = tree_of_one();
        let node = tree.find_node_mut("/chosen/unimux/guest@0").unwrap();
        for name in [
            "role",
            "payload",
            "on-fault",
            "bootargs",
            "partition",
            "weight",
            "quota",
        ] {
            node.remove_property(name);
        }
        let read = there_and_back(&tree).unwrap();
        assert_eq!(read.guests[0].function, crate::Function::default());
        assert_eq!(read.guests[0].on_fault, OnFault::Stop);
        assert_eq!(read.guests[0].arguments, "");
    }
}
