//! Reads the scenario from `/chosen/unimux`, which may have been written by hand.
//!
//! It does not check what the numbers mean ([`crate::check()`] does), only that they are there and
//! are numbers. Every error names the node and the property.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use unimux_text::texts;
use unimux_tree::{Node, Tree};

use crate::binding::{self, property as name};
use crate::host;
use crate::{Function, Guest, Host, Module, OnFault, Quota, Scenario};

/// What is wrong with the scenario's device tree, and where. It borrows the names in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError<'a> {
    /// The tree has no `/chosen/unimux`.
    NoScenario,
    /// `compatible` is missing or names another binding.
    NotCompatible,
    /// A property that must be there is not.
    Missing {
        /// Whose.
        node: NodePath<'a>,
        /// Name.
        property: &'static str,
    },
    /// A property has another form than the binding says.
    Malformed {
        /// Whose.
        node: NodePath<'a>,
        /// Name.
        property: &'static str,
        /// What the binding says.
        expected: &'static str,
    },
    /// A property that the binding does not have.
    UnknownProperty {
        /// Whose.
        node: NodePath<'a>,
        /// Name.
        property: &'a str,
    },
    /// A node that the binding does not have.
    UnknownNode {
        /// Which.
        node: NodePath<'a>,
    },
    /// A role that this version does not have.
    UnknownRole {
        /// Whose.
        node: NodePath<'a>,
        /// What it asks for.
        role: &'a str,
    },
}

/// A node of the scenario, as far as one can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePath<'a> {
    /// `/chosen/unimux`.
    Scenario,
    /// A child of it.
    Child(&'a str),
    /// A child of a child.
    Inner(&'a str, &'a str),
}

texts!(NodePath<'_> {
    Self::Scenario => "{}", binding::PATH;
    Self::Child(child) => "{}/{}", binding::PATH, child;
    Self::Inner(child, inner) => "{}/{}/{}", binding::PATH, child, inner;
});

texts!(ReadError<'_> {
    Self::NoScenario =>
        "the device tree has no node {}: Unimux was started without a scenario", binding::PATH;
    Self::NotCompatible =>
        "{}: compatible must be \"{}\"", binding::PATH, binding::COMPATIBLE;
    Self::Missing { node, property } => "{}: property {} is missing", node, property;
    Self::Malformed { node, property, expected } =>
        "{}: property {} must be {}", node, property, expected;
    Self::UnknownProperty { node, property } => "{}: property {} is not known", node, property;
    Self::UnknownNode { node } => "{}: no such node in a scenario", node;
    Self::UnknownRole { node, role } => "{}: role \"{}\" is not supported", node, role;
});

impl core::error::Error for ReadError<'_> {}

/// What was read, or what is wrong. In a box, as every step hands it on.
type Read<'a, T> = Result<T, Box<ReadError<'a>>>;

/// Reads the scenario.
///
/// # Errors
/// [`ReadError`], for the first thing that is not as [`binding`] says.
// Not in line: steps of the boot, all in one function, are larger than apart.
#[inline(never)]
pub fn read<'a>(tree: &Tree<'a>) -> Result<Scenario, Box<ReadError<'a>>> {
    let node = tree
        .find_node(binding::PATH)
        .ok_or_else(|| Box::new(ReadError::NoScenario))?;
    let path = NodePath::Scenario;
    let node = At { node, path };
    if node.text(name::COMPATIBLE, STRING)? != Some(binding::COMPATIBLE) {
        return Err(ReadError::NotCompatible.into());
    }
    node.knows_only(name::OF_SCENARIO)?;
    let mut guests = Vec::new();
    let mut the_host = None;
    for child in node.node.children() {
        let path = NodePath::Child(child.name());
        let child = At { node: child, path };
        match child.node.name_without_address() {
            binding::GUEST => guests.push(guest(&child)?),
            binding::KVM_HOST if the_host.is_none() => the_host = Some(host(&child)?),
            _ => return Err(ReadError::UnknownNode { node: path }.into()),
        }
    }
    Ok(Scenario {
        engine_core: node.required(name::ENGINE_CORE, node.number(name::ENGINE_CORE)?)?,
        #[cfg(feature = "dma")]
        engine: engine(&node)?,
        #[cfg(not(feature = "dma"))]
        engine: crate::Engine::default(),
        idle_functions: node.number(name::IDLE_FUNCTIONS)?.unwrap_or(0),
        baseline: node.flag(name::BASELINE)?,
        guests,
        host: the_host,
    })
}

const STRING: &str = "a string";
const ONE_CELL: &str = "one cell";
const TWO_CELLS: &str = "two cells (a number of 64 bits)";
const FOUR_CELLS: &str = "four cells (address and length of 64 bits)";

#[cfg(feature = "dma")]
fn engine<'a>(node: &At<'a>) -> Read<'a, crate::Engine> {
    let expected = "\"cpu\", \"zdma\" or \"cdma\"";
    let kind = match node.text(name::ENGINE, expected)? {
        None => None,
        Some(kind) => Some(
            crate::EngineKind::named(kind).ok_or_else(|| node.malformed(name::ENGINE, expected))?,
        ),
    };
    Ok(crate::Engine {
        kind,
        crossover_bytes: node.number(name::ENGINE_CROSSOVER)?,
    })
}

fn guest<'a>(node: &At<'a>) -> Read<'a, Guest> {
    let role = node
        .text(name::ROLE, STRING)?
        .unwrap_or(binding::ROLE_GUEST);
    if role != binding::ROLE_GUEST {
        let node = node.path;
        return Err(ReadError::UnknownRole { node, role }.into());
    }
    node.knows_only(&name::OF_GUEST)?;
    node.has_no_nodes()?;
    Ok(Guest {
        name: node
            .required(name::LABEL, node.text(name::LABEL, STRING)?)?
            .to_string(),
        cores: node.cores()?,
        share: node.number(name::SHARE)?,
        memory_bytes: node.required(name::MEMORY_BYTES, node.wide(name::MEMORY_BYTES)?)?,
        memory_at: node.wide(name::MEMORY_AT)?,
        image: node.required(name::IMAGE, node.module(name::IMAGE)?)?,
        payload: node.module(name::PAYLOAD)?,
        on_fault: on_fault(node)?,
        function: function(node)?,
        arguments: node.arguments()?,
    })
}

fn host<'a>(node: &At<'a>) -> Read<'a, Host> {
    node.knows_only(&name::OF_HOST)?;
    node.has_no_nodes()?;
    let functions = node.number(name::FUNCTIONS)?;
    Ok(Host {
        cores: node.cores()?,
        kernel: node.required(name::KERNEL, node.module(name::KERNEL)?)?,
        initrd: node.module(name::INITRD)?,
        arguments: node.arguments()?,
        functions: functions.unwrap_or(host::FUNCTIONS_DEFAULT),
    })
}

fn on_fault<'a>(node: &At<'a>) -> Read<'a, OnFault> {
    let expected = "\"stop\" or \"restart\"";
    let times_max = node.number(name::RESTARTS_MAX)?;
    match node
        .text(name::ON_FAULT, expected)?
        .unwrap_or(binding::STOP)
    {
        binding::STOP if times_max.is_some() => {
            Err(node.malformed(name::RESTARTS_MAX, "absent unless on-fault is \"restart\""))
        }
        binding::STOP => Ok(OnFault::Stop),
        binding::RESTART => Ok(OnFault::Restart {
            times_max: node.required(name::RESTARTS_MAX, times_max)?,
        }),
        _ => Err(node.malformed(name::ON_FAULT, expected)),
    }
}

fn function<'a>(node: &At<'a>) -> Read<'a, Function> {
    let default = Function::default();
    let five = "five cells: pds, cqs, qps, mrs and pages";
    let quota = match node.cells(name::QUOTA, five)? {
        None => default.quota,
        Some([pds, cqs, qps, mrs, pages]) => Quota {
            pds: u32::from_be_bytes(*pds),
            cqs: u32::from_be_bytes(*cqs),
            qps: u32::from_be_bytes(*qps),
            mrs: u32::from_be_bytes(*mrs),
            pages: u32::from_be_bytes(*pages),
        },
        Some(_) => return Err(node.malformed(name::QUOTA, five)),
    };
    Ok(Function {
        partition: node
            .sixteen_bits(name::PARTITION)?
            .unwrap_or(default.partition),
        weight: node.sixteen_bits(name::WEIGHT)?.unwrap_or(default.weight),
        quota,
    })
}

/// A node that knows its path.
struct At<'a> {
    node: Node<'a>,
    path: NodePath<'a>,
}

impl<'a> At<'a> {
    fn cores(&self) -> Read<'a, Vec<u32>> {
        let cores = self.cells(name::CORES, "a list of cells")?;
        let cores = self.required(name::CORES, cores)?;
        Ok(cores.iter().map(|it| u32::from_be_bytes(*it)).collect())
    }

    fn arguments(&self) -> Read<'a, String> {
        Ok(self.text(name::BOOTARGS, STRING)?.unwrap_or("").to_string())
    }

    fn required<T>(&self, property: &'static str, found: Option<T>) -> Read<'a, T> {
        found.ok_or_else(|| {
            Box::new(ReadError::Missing {
                node: self.path,
                property,
            })
        })
    }

    /// A string of UTF-8 with one zero byte, at its end.
    fn text(&self, property: &'static str, expected: &'static str) -> Read<'a, Option<&'a str>> {
        match self.node.property(property).map(|it| it.text()) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => Err(self.malformed(property, expected)),
        }
    }

    fn cells(
        &self,
        property: &'static str,
        expected: &'static str,
    ) -> Read<'a, Option<&'a [[u8; 4]]>> {
        match self.node.property(property).map(|it| it.cells()) {
            None => Ok(None),
            Some(Some(cells)) => Ok(Some(cells)),
            Some(None) => Err(self.malformed(property, expected)),
        }
    }

    fn number(&self, property: &'static str) -> Read<'a, Option<u32>> {
        match self.cells(property, ONE_CELL)? {
            None => Ok(None),
            Some([cell]) => Ok(Some(u32::from_be_bytes(*cell))),
            Some(_) => Err(self.malformed(property, ONE_CELL)),
        }
    }

    fn sixteen_bits(&self, property: &'static str) -> Read<'a, Option<u16>> {
        let Some(value) = self.number(property)? else {
            return Ok(None);
        };
        match u16::try_from(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(self.malformed(property, "one cell below 65536")),
        }
    }

    fn wide(&self, property: &'static str) -> Read<'a, Option<u64>> {
        match self.cells(property, TWO_CELLS)? {
            None => Ok(None),
            Some([high, low]) => Ok(Some(join(*high, *low))),
            Some(_) => Err(self.malformed(property, TWO_CELLS)),
        }
    }

    fn module(&self, property: &'static str) -> Read<'a, Option<Module>> {
        match self.cells(property, FOUR_CELLS)? {
            None => Ok(None),
            Some([pa_high, pa_low, len_high, len_low]) => Ok(Some(Module {
                pa: join(*pa_high, *pa_low),
                len_bytes: join(*len_high, *len_low),
            })),
            Some(_) => Err(self.malformed(property, FOUR_CELLS)),
        }
    }

    /// A property whose presence says all.
    fn flag(&self, property: &'static str) -> Read<'a, bool> {
        match self.node.property(property) {
            None => Ok(false),
            Some(it) if it.value().is_empty() => Ok(true),
            Some(_) => Err(self.malformed(property, "empty")),
        }
    }

    fn knows_only(&self, known: &[&str]) -> Read<'a, ()> {
        let mut names = self.node.properties().map(|it| it.name());
        match names.find(|it| !known.contains(it)) {
            None => Ok(()),
            Some(property) => Err(Box::new(ReadError::UnknownProperty {
                node: self.path,
                property,
            })),
        }
    }

    fn has_no_nodes(&self) -> Read<'a, ()> {
        match self.node.children().next() {
            None => Ok(()),
            Some(inner) => Err(Box::new(ReadError::UnknownNode {
                node: NodePath::Inner(self.node.name(), inner.name()),
            })),
        }
    }

    fn malformed(&self, property: &'static str, expected: &'static str) -> Box<ReadError<'a>> {
        Box::new(ReadError::Malformed {
            node: self.path,
            property,
            expected,
        })
    }
}

fn join(high: [u8; 4], low: [u8; 4]) -> u64 {
    u64::from(u32::from_be_bytes(high)) << 32 | u64::from(u32::from_be_bytes(low))
}
