//! Reads the scenario from `/chosen/unimux`, which may have been written by hand.
//!
//! It does not check what the numbers mean ([`crate::check()`] does), only that they are there and
//! are numbers. Every error names the node and the property.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dtoolkit::fdt::{Fdt, FdtNode, FdtProperty};
use dtoolkit::{FromPropertyValue, Node, Property};

use crate::binding::{self, property as name};
use crate::{Function, Guest, Module, OnFault, Quota, Scenario};

/// What is wrong with the scenario's device tree, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The tree has no `/chosen/unimux`.
    #[error(
        "the device tree has no node {}: Unimux was started without a scenario",
        binding::PATH
    )]
    NoScenario,
    /// `compatible` is missing or names another binding.
    #[error("{}: compatible must be \"{}\"", binding::PATH, binding::COMPATIBLE)]
    NotCompatible,
    /// A property that must be there is not.
    #[error("{node}: property {property} is missing")]
    Missing {
        /// Full path.
        node: String,
        /// Name.
        property: &'static str,
    },
    /// A property has another form than the binding says.
    #[error("{node}: property {property} must be {expected}")]
    Malformed {
        /// Full path.
        node: String,
        /// Name.
        property: &'static str,
        /// What the binding says.
        expected: &'static str,
    },
    /// A property that the binding does not have.
    #[error("{node}: property {property} is not known")]
    UnknownProperty {
        /// Full path.
        node: String,
        /// Name.
        property: String,
    },
    /// A node that the binding does not have.
    #[error("{node}: no such node in a scenario")]
    UnknownNode {
        /// Full path.
        node: String,
    },
    /// A role that this version does not have.
    #[error("{node}: role \"{role}\" is not supported")]
    UnknownRole {
        /// Full path.
        node: String,
        /// What it asks for.
        role: String,
    },
}

/// Reads the scenario.
///
/// # Errors
/// [`ReadError`], for the first thing that is not as [`binding`] says.
pub fn read(fdt: &Fdt<'_>) -> Result<Scenario, ReadError> {
    let node = fdt.find_node(binding::PATH).ok_or(ReadError::NoScenario)?;
    let node = At {
        node,
        path: binding::PATH.to_string(),
    };
    if node.optional::<&str>(name::COMPATIBLE, "a string")? != Some(binding::COMPATIBLE) {
        return Err(ReadError::NotCompatible);
    }
    node.knows_only(&name::OF_SCENARIO)?;
    let mut guests = Vec::new();
    for child in node.node.children() {
        let path = alloc::format!("{}/{}", node.path, child.name());
        if child.name_without_address() != binding::GUEST {
            return Err(ReadError::UnknownNode { node: path });
        }
        guests.push(guest(&At { node: child, path })?);
    }
    Ok(Scenario {
        engine_core: node.required(name::ENGINE_CORE, ONE_CELL)?,
        idle_functions: node.optional(name::IDLE_FUNCTIONS, ONE_CELL)?.unwrap_or(0),
        baseline: node.flag(name::BASELINE)?,
        guests,
    })
}

const ONE_CELL: &str = "one cell";
const TWO_CELLS: &str = "two cells (a number of 64 bits)";
const FOUR_CELLS: &str = "four cells (address and length of 64 bits)";

fn guest(node: &At<'_>) -> Result<Guest, ReadError> {
    let role: &str = node
        .optional(name::ROLE, "a string")?
        .unwrap_or(binding::ROLE_GUEST);
    if role != binding::ROLE_GUEST {
        return Err(ReadError::UnknownRole {
            node: node.path.clone(),
            role: role.to_string(),
        });
    }
    node.knows_only(&name::OF_GUEST)?;
    if let Some(inner) = node.node.children().next() {
        let node = alloc::format!("{}/{}", node.path, inner.name());
        return Err(ReadError::UnknownNode { node });
    }
    Ok(Guest {
        name: node.required::<&str>(name::LABEL, "a string")?.to_string(),
        cores: node.required(name::CORES, "a list of cells")?,
        memory_bytes: node.required(name::MEMORY_BYTES, TWO_CELLS)?,
        memory_at: node.optional(name::MEMORY_AT, TWO_CELLS)?,
        image: module(node.required(name::IMAGE, FOUR_CELLS)?),
        payload: node.optional(name::PAYLOAD, FOUR_CELLS)?.map(module),
        on_fault: on_fault(node)?,
        function: function(node)?,
        arguments: node
            .optional::<&str>(name::BOOTARGS, "a string")?
            .unwrap_or("")
            .to_string(),
    })
}

fn module([pa_high, pa_low, len_high, len_low]: [u32; 4]) -> Module {
    let join = |high, low| u64::from(high) << 32 | u64::from(low);
    Module {
        pa: join(pa_high, pa_low),
        len_bytes: join(len_high, len_low),
    }
}

fn on_fault(node: &At<'_>) -> Result<OnFault, ReadError> {
    let expected = "\"stop\" or \"restart\"";
    match node
        .optional::<&str>(name::ON_FAULT, expected)?
        .unwrap_or(binding::STOP)
    {
        binding::STOP if node.node.property(name::RESTARTS_MAX).is_some() => {
            Err(node.malformed(name::RESTARTS_MAX, "absent unless on-fault is \"restart\""))
        }
        binding::STOP => Ok(OnFault::Stop),
        binding::RESTART => Ok(OnFault::Restart {
            times_max: node.required(name::RESTARTS_MAX, ONE_CELL)?,
        }),
        _ => Err(node.malformed(name::ON_FAULT, expected)),
    }
}

fn function(node: &At<'_>) -> Result<Function, ReadError> {
    let default = Function::default();
    let quota: Option<[u32; 5]> =
        node.optional(name::QUOTA, "five cells: pds, cqs, qps, mrs and pages")?;
    Ok(Function {
        partition: node
            .sixteen_bits(name::PARTITION)?
            .unwrap_or(default.partition),
        weight: node.sixteen_bits(name::WEIGHT)?.unwrap_or(default.weight),
        quota: quota.map_or(default.quota, |[pds, cqs, qps, mrs, pages]| Quota {
            pds,
            cqs,
            qps,
            mrs,
            pages,
        }),
    })
}

/// A node that knows its path.
struct At<'a> {
    node: FdtNode<'a>,
    path: String,
}

impl<'a> At<'a> {
    fn optional<T: FromPropertyValue<'a>>(
        &self,
        property: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, ReadError> {
        match self.found(property) {
            None => Ok(None),
            Some(found) => found
                .value_as()
                .map(Some)
                .map_err(|_| self.malformed(property, expected)),
        }
    }

    fn required<T: FromPropertyValue<'a>>(
        &self,
        property: &'static str,
        expected: &'static str,
    ) -> Result<T, ReadError> {
        self.optional(property, expected)?
            .ok_or_else(|| ReadError::Missing {
                node: self.path.clone(),
                property,
            })
    }

    fn sixteen_bits(&self, property: &'static str) -> Result<Option<u16>, ReadError> {
        let expected = "one cell below 65536";
        let value: Option<u32> = self.optional(property, expected)?;
        value
            .map(|value| u16::try_from(value).map_err(|_| self.malformed(property, expected)))
            .transpose()
    }

    /// A property whose presence says all.
    fn flag(&self, property: &'static str) -> Result<bool, ReadError> {
        match self.found(property) {
            None => Ok(false),
            Some(found) if found.value().is_empty() => Ok(true),
            Some(_) => Err(self.malformed(property, "empty")),
        }
    }

    fn found(&self, property: &str) -> Option<FdtProperty<'a>> {
        self.node.properties().find(|it| it.name() == property)
    }

    fn knows_only(&self, known: &[&str]) -> Result<(), ReadError> {
        match self
            .node
            .properties()
            .find(|it| !known.contains(&it.name()))
        {
            None => Ok(()),
            Some(it) => Err(ReadError::UnknownProperty {
                node: self.path.clone(),
                property: it.name().to_string(),
            }),
        }
    }

    fn malformed(&self, property: &'static str, expected: &'static str) -> ReadError {
        ReadError::Malformed {
            node: self.path.clone(),
            property,
            expected,
        }
    }
}
