//! Device trees, damaged: refused, or read to the end, and a scenario in them checked.
#![no_main]

use std::sync::LazyLock;

use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use unimux_scenario::{
    Engine, EngineKind, Function, Guest, Machine, Module, OnFault, Scenario, check, read, write,
};
use unimux_tree::{Node, Tree};

/// A machine of two cores and a scenario of one guest.
static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let node = |name, property, value: &[u8]| {
        let mut node = DeviceTreeNode::new(name).expect("a name");
        node.add_property(DeviceTreeProperty::new(property, value).expect("a name"));
        node
    };
    let mut tree = DeviceTree::new();
    let mut cpus = DeviceTreeNode::new("cpus").expect("a name");
    cpus.add_child(node("cpu@0", "reg", &[0; 4]));
    cpus.add_child(node("cpu@1", "reg", &[0, 0, 0, 1]));
    tree.root.add_child(cpus);
    let mut memory = node("memory@0", "device_type", b"memory\0");
    let reg: &[u8] = &[0, 0, 0, 0, 0x40, 0, 0, 0, 0x40, 0, 0, 0];
    memory.add_property(DeviceTreeProperty::new("reg", reg).expect("a name"));
    tree.root.add_child(memory);
    let image = Module {
        pa: 0x5000_0000,
        len_bytes: 4096,
    };
    let guest = Guest {
        name: "a".to_owned(),
        cores: vec![1],
        share: None,
        memory_bytes: 16 << 20,
        memory_at: Some(0x6000_0000),
        image,
        payload: Some(image),
        on_fault: OnFault::Restart { times_max: 3 },
        function: Function::default(),
        arguments: "role=a".to_owned(),
    };
    let scenario = Scenario {
        engine_core: 0,
        engine: Engine {
            kind: Some(EngineKind::Zdma),
            crossover_bytes: Some(8192),
        },
        idle_functions: 1,
        baseline: true,
        guests: vec![guest],
        host: None,
    };
    write(&scenario, &mut tree);
    tree.to_dtb()
});

fn visit(node: Node<'_>) -> usize {
    let read = |it: unimux_tree::Property<'_>| {
        let _ = (it.name(), it.text(), it.number());
        it.value().len()
    };
    let own: usize = node.properties().map(read).sum();
    let places = node.reg().map_or(0, Iterator::count);
    own + places + node.children().map(visit).sum::<usize>()
}

libfuzzer_sys::fuzz_target!(|damage: Vec<(u16, u8)>| {
    let mut bytes = SAMPLE.clone();
    for (at, value) in damage {
        let at = usize::from(at) % bytes.len();
        bytes[at] = value;
    }
    let Ok(tree) = Tree::new(&bytes) else {
        return;
    };
    visit(tree.root());
    let scenario = read(&tree);
    if let Err(error) = &scenario {
        let _ = error.to_string();
    }
    if let (Ok(scenario), Ok(machine)) = (scenario, Machine::read(&tree))
        && let Err(refusal) = check(&scenario, &machine)
    {
        let _ = refusal.to_string();
    }
});
