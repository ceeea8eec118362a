//! A guest's GIC, of both versions, against the manuals.

mod deeds;
mod delivery;
mod machine;
mod properties;
mod v2_registers;
mod v2_routing;
mod v3_registers;
