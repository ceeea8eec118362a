//! The device-tree binding `unimux,scenario`: names of its nodes and properties.
//!
//! Numbers of 64 bits and the two numbers of a module take two cells each, high cell first, whatever
//! `#address-cells` says.
//!
//! ```dts
//! / { chosen { unimux {
//!     compatible = "unimux,scenario";
//!     engine-core = <0>;
//!     engine = "zdma";                       // optional: the best that the machine has
//!     engine-crossover = <65536>;            // optional, bytes: shorter ones by the core
//!     idle-functions = <63>;                 // optional, 0
//!     baseline;                              // optional
//!     guest@0 {
//!         role = "guest";                    // optional: the only one
//!         label = "alice";
//!         cores = <1 2>;
//!         share = <100>;                     // optional: shares them, with this weight
//!         memory-bytes = /bits/ 64 <0x4000000>;
//!         memory-at = /bits/ 64 <0x60000000>;        // optional: where there is room
//!         image = /bits/ 64 <0x50000000 0x21000>;
//!         payload = /bits/ 64 <0x50200000 0x1234>;   // optional
//!         on-fault = "restart";              // optional, "stop"
//!         restarts-max = <3>;                // with "restart" only
//!         bootargs = "peer=1";               // optional, ""
//!         partition = <1>;                   // optional, 1
//!         weight = <1>;                      // optional, 1
//!         quota = <4 16 16 32 4096>;         // optional: pds cqs qps mrs pages
//!     };
//!     kvm-host {                             // optional
//!         cores = <0 1 2>;
//!         kernel = /bits/ 64 <0x80000000 0x1f6e000>;
//!         initrd = /bits/ 64 <0x7f000000 0x1234>;    // optional
//!         bootargs = "console=ttyAMA0";      // optional, ""
//!         functions = <8>;                   // optional, 8: for its tenants
//!     };
//! }; }; };
//! ```
//!
//! A property or a node that is not listed here is refused: a misspelt limit must not become no
//! limit. An image that has no DMA engine refuses what is said of one like that: feature `dma`.

/// Where the scenario is.
pub const PATH: &str = "/chosen/unimux";
/// Value of `compatible`.
pub const COMPATIBLE: &str = "unimux,scenario";
/// Name of a guest's node before the `@`.
pub const GUEST: &str = "guest";
/// The one role of such a node.
pub const ROLE_GUEST: &str = "guest";
/// Name of the host's node.
pub const KVM_HOST: &str = "kvm-host";
/// Values of `on-fault`.
pub const STOP: &str = "stop";
/// See [`STOP`].
pub const RESTART: &str = "restart";

/// Values of `engine`.
pub const ENGINE_CPU: &str = "cpu";
/// See [`ENGINE_CPU`].
pub const ENGINE_ZDMA: &str = "zdma";
/// See [`ENGINE_CPU`].
pub const ENGINE_CDMA: &str = "cdma";

/// Names of properties.
pub mod property {
    #![expect(missing_docs, reason = "each is explained by the field it carries")]
    pub const COMPATIBLE: &str = "compatible";
    pub const ENGINE_CORE: &str = "engine-core";
    pub const ENGINE: &str = "engine";
    pub const ENGINE_CROSSOVER: &str = "engine-crossover";
    pub const IDLE_FUNCTIONS: &str = "idle-functions";
    pub const BASELINE: &str = "baseline";
    pub const ROLE: &str = "role";
    pub const LABEL: &str = "label";
    pub const CORES: &str = "cores";
    pub const SHARE: &str = "share";
    pub const MEMORY_BYTES: &str = "memory-bytes";
    pub const MEMORY_AT: &str = "memory-at";
    pub const IMAGE: &str = "image";
    pub const PAYLOAD: &str = "payload";
    pub const ON_FAULT: &str = "on-fault";
    pub const RESTARTS_MAX: &str = "restarts-max";
    pub const BOOTARGS: &str = "bootargs";
    pub const PARTITION: &str = "partition";
    pub const WEIGHT: &str = "weight";
    pub const QUOTA: &str = "quota";
    pub const KERNEL: &str = "kernel";
    pub const INITRD: &str = "initrd";
    pub const FUNCTIONS: &str = "functions";

    /// What the scenario's own node may have.
    pub const OF_SCENARIO: &[&str] = &[
        COMPATIBLE,
        ENGINE_CORE,
        IDLE_FUNCTIONS,
        BASELINE,
        #[cfg(feature = "dma")]
        ENGINE,
        #[cfg(feature = "dma")]
        ENGINE_CROSSOVER,
    ];
    /// What the host's node may have.
    pub const OF_HOST: [&str; 5] = [CORES, KERNEL, INITRD, BOOTARGS, FUNCTIONS];
    /// What a guest's node may have.
    pub const OF_GUEST: [&str; 14] = [
        ROLE,
        LABEL,
        CORES,
        SHARE,
        MEMORY_BYTES,
        MEMORY_AT,
        IMAGE,
        PAYLOAD,
        ON_FAULT,
        RESTARTS_MAX,
        BOOTARGS,
        PARTITION,
        WEIGHT,
        QUOTA,
    ];
}
