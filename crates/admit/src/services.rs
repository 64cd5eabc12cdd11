//! Gives Services their addresses and ports, and takes away what a change of type leaves behind.
//! It must not know what else is wrong with a Service.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use crate::checks::{addresses, is_headless, is_outward, is_probed};
use crate::error::{ApiError, Result, Subject};
use crate::place::ResourceId;
use crate::setting::Setting;
use crate::setting::random;

/// The network that addresses are taken from.
const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 0);
const NETWORK_BITS: u32 = 16;
/// The addresses at the start of the network that are not given out on their own: they are for
/// services that everybody knows.
const RESERVED: u32 = 266;
const FIRST_PORT: i64 = 30000;
const LAST_PORT: i64 = 32767;

/// Gives a Service its addresses and ports, keeping those that it has.
///
/// # Errors
/// What is wanted is taken, or is not to be had here.
pub(super) fn allocate(
    setting: &Setting<'_>,
    service: &mut Value,
    old: Option<&Value>,
) -> Result<()> {
    let name = text(&service["metadata"], "name").to_owned();
    let refuse = |errors: Vec<FieldError>| {
        let subject = Subject {
            group: "",
            name: "Service",
        };
        Err(ApiError::invalid(&subject, &name, &errors))
    };
    if let Some(old) = old {
        recall(service, old);
    }
    line_up(service, old);
    let mut taken = Taken::of(setting, old);
    let errors = choose_families(service, old);
    if !errors.is_empty() {
        return refuse(errors);
    }
    if let Err(error) = give_address(service, old, &mut taken) {
        return refuse(vec![error]);
    }
    if let Err(error) = give_ports(service, old, &mut taken) {
        return refuse(vec![error]);
    }
    if is_probed(service) && !old.is_some_and(is_probed) {
        give_probe_port(service, &mut taken)?;
    }
    if let Some(old) = old {
        shed(service, old);
    }
    Ok(())
}

/// What other Services have; they are looked through when somebody first asks, since most writes
/// want nothing new.
struct Taken<'a> {
    setting: &'a Setting<'a>,
    /// The Service itself, as it is stored.
    own: Option<&'a Value>,
    known: Option<Known>,
}

#[derive(Default)]
struct Known {
    addresses: BTreeSet<String>,
    ports: BTreeSet<i64>,
}

impl Known {
    fn of(setting: &Setting<'_>, own: Option<&Value>) -> Self {
        let services = ResourceId::new("", "services");
        let mut known = Self::default();
        // The API server's own.
        known.addresses.insert("10.96.0.1".to_owned());
        for service in setting.server.list(&services, None) {
            if own.is_some_and(|own| own["metadata"]["uid"] == service["metadata"]["uid"]) {
                continue;
            }
            let addresses = items(&service["spec"], "clusterIPs").iter();
            let addresses = addresses.filter_map(Value::as_str).map(str::to_owned);
            known.addresses.extend(addresses);
            known.ports.extend(node_ports(&service));
            let probe = number(&service["spec"]["healthCheckNodePort"]);
            known.ports.extend(probe);
        }
        known
    }
}

impl<'a> Taken<'a> {
    fn of(setting: &'a Setting<'a>, own: Option<&'a Value>) -> Self {
        Self {
            setting,
            own,
            known: None,
        }
    }

    fn known(&mut self) -> &mut Known {
        let (setting, own) = (self.setting, self.own);
        self.known.get_or_insert_with(|| Known::of(setting, own))
    }

    /// Where nothing is stored, some of what could not be had is not noticed.
    fn is_dry_run(&self) -> bool {
        self.setting.dry_run
    }

    fn claim_port(&mut self, number: i64) -> Result<(), String> {
        if !self.is_dry_run() && !(FIRST_PORT..=LAST_PORT).contains(&number) {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is \
                 {FIRST_PORT}-{LAST_PORT}"
            ));
        }
        if self.known().ports.insert(number) {
            Ok(())
        } else {
            Err("provided port is already allocated".to_owned())
        }
    }

    fn free_port(&mut self) -> Option<i64> {
        let count = LAST_PORT - FIRST_PORT + 1;
        let [high, low] = random::<2>(self.setting.server);
        let start = i64::from(u16::from_be_bytes([high, low])) % count;
        let mut candidates = (0..count).map(|step| FIRST_PORT + (start + step) % count);
        let ports = &mut self.known().ports;
        candidates.find(|number| ports.insert(*number))
    }

    fn free_address(&mut self) -> Option<Ipv4Addr> {
        let count = (1_u32 << (32 - NETWORK_BITS)) - RESERVED - 1;
        let start = u32::from_be_bytes(random::<4>(self.setting.server)) % count;
        let mut candidates = (0..count).map(|step| {
            let offset = RESERVED + (start + step) % count;
            Ipv4Addr::from_bits(NETWORK.to_bits() + offset)
        });
        let addresses = &self.known().addresses;
        candidates.find(|address| !addresses.contains(&address.to_string()))
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().filter(|number| *number != 0)
}

fn node_ports(service: &Value) -> BTreeSet<i64> {
    let ports = items(&service["spec"], "ports").iter();
    ports.filter_map(|port| number(&port["nodePort"])).collect()
}

fn has_ports_of_nodes(service: &Value) -> bool {
    matches!(text(&service["spec"], "type"), "NodePort" | "LoadBalancer")
}

fn needs_address(service: &Value) -> bool {
    text(&service["spec"], "type") != "ExternalName"
}

fn remove(service: &mut Value, name: &str) {
    if let Some(fields) = service["spec"].as_object_mut() {
        fields.remove(name);
    }
}

/// Puts back what was given out and has been left out of the request.
fn recall(service: &mut Value, old: &Value) {
    let before = &old["spec"];
    if needs_address(old) && needs_address(service) {
        for name in ["clusterIP", "clusterIPs"] {
            let is_unset = service["spec"].get(name).is_none_or(|value| {
                value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
            });
            if is_unset && !before[name].is_null() {
                service["spec"][name] = before[name].clone();
            }
        }
    }
    if has_ports_of_nodes(old) && has_ports_of_nodes(service) {
        let used: BTreeSet<i64> = &node_ports(old) & &node_ports(service);
        for port in holdfast_kinds::items_mut(&mut service["spec"], "ports") {
            let same = |other: &&Value| text(other, "name") == text(port, "name");
            let known = items(before, "ports").iter().rfind(same);
            let known = known.and_then(|known| number(&known["nodePort"]));
            if number(&port["nodePort"]).is_none()
                && let Some(known) = known.filter(|known| !used.contains(known))
            {
                port["nodePort"] = json!(known);
            }
        }
    }
    let probe = "healthCheckNodePort";
    if is_probed(old) && is_probed(service) && number(&service["spec"][probe]).is_none() {
        service["spec"][probe] = before[probe].clone();
    }
}

/// `clusterIP` and `clusterIPs` say the same, whichever of them a client knows.
fn line_up(service: &mut Value, old: Option<&Value>) {
    let address = text(&service["spec"], "clusterIP").to_owned();
    let Some(old) = old else {
        if !address.is_empty() && items(&service["spec"], "clusterIPs").is_empty() {
            service["spec"]["clusterIPs"] = json!([address]);
        }
        return;
    };
    let before = text(&old["spec"], "clusterIP");
    let known = items(&old["spec"], "clusterIPs");
    let same_list = items(&service["spec"], "clusterIPs") == known;
    if address == before {
        if !known.is_empty() && items(&service["spec"], "clusterIPs").is_empty() {
            service["spec"]["clusterIPs"] = json!(known);
        }
    } else if same_list && address.is_empty() {
        remove(service, "clusterIPs");
    } else if same_list {
        service["spec"]["clusterIPs"] = json!([address]);
    }
}

/// Chooses the policy and the families of addresses. This cluster has those of version 4.
fn choose_families(service: &mut Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !needs_address(service) {
        return errors;
    }
    let is_open = is_headless(service)
        && service["spec"]["selector"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty);
    if service["spec"]["ipFamilyPolicy"].is_null() {
        let before = old.map(|old| old["spec"]["ipFamilyPolicy"].clone());
        let policy = before.filter(Value::is_string).unwrap_or_else(|| {
            json!(if is_open {
                "RequireDualStack"
            } else {
                "SingleStack"
            })
        });
        service["spec"]["ipFamilyPolicy"] = policy;
    }
    addresses(service, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    infer_families(service, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    let mut families = items(&service["spec"], "ipFamilies").to_vec();
    let policy = text(&service["spec"], "ipFamilyPolicy");
    if is_open {
        // Nobody knows what endpoints it will be given, so both kinds are.
        if families.is_empty() {
            families.push(json!("IPv4"));
        }
        if families.len() < 2 && policy != "SingleStack" {
            let other = if families[0] == "IPv4" {
                "IPv6"
            } else {
                "IPv4"
            };
            families.push(json!(other));
        }
    } else {
        unavailable(&families, policy, &mut errors);
        if families.is_empty() {
            families.push(json!("IPv4"));
        }
    }
    service["spec"]["ipFamilies"] = json!(families);
    errors
}

/// Takes families from the addresses that are asked for.
fn infer_families(service: &mut Value, errors: &mut Vec<FieldError>) {
    let spec = &mut service["spec"];
    let list = items(spec, "clusterIPs").to_vec();
    let mut families = items(spec, "ipFamilies").to_vec();
    let policy = spec["ipFamilyPolicy"].clone();
    if policy == "SingleStack" {
        for (count, what) in [(list.len(), "cluster IPs"), (families.len(), "IP families")] {
            if count == 2 {
                let problem = format!(
                    "must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are \
                     specified"
                );
                errors.push(FieldError::invalid(
                    "spec.ipFamilyPolicy",
                    &policy,
                    &problem,
                ));
            }
        }
    }
    for (index, address) in list.iter().enumerate() {
        if *address == "None" {
            break;
        }
        if index < families.len() {
            continue;
        }
        if address.as_str().unwrap_or("").contains(':') {
            let field = format!("spec.clusterIPs[{index}]");
            let problem = "IPv6 is not configured on this cluster";
            errors.push(FieldError::invalid(field, &json!(list), problem));
        } else {
            families.push(json!("IPv4"));
        }
    }
    if !families.is_empty() {
        spec["ipFamilies"] = json!(families);
    }
}

/// Families and policies that this cluster cannot serve.
fn unavailable(families: &[Value], policy: &str, errors: &mut Vec<FieldError>) {
    if policy == "RequireDualStack" {
        let problem = "this cluster is not configured for dual-stack services";
        let found = json!(policy);
        errors.push(FieldError::invalid("spec.ipFamilyPolicy", &found, problem));
    }
    for (index, family) in families.iter().enumerate() {
        if *family == "IPv6" {
            let field = format!("spec.ipFamilies[{index}]");
            let problem = "not configured on this cluster";
            errors.push(FieldError::invalid(field, family, problem));
        }
    }
}

fn give_address(
    service: &mut Value,
    old: Option<&Value>,
    taken: &mut Taken<'_>,
) -> Result<(), FieldError> {
    // A Service that has been given an address keeps it; checks tell when it is changed.
    let wanted = text(&service["spec"], "clusterIP").to_owned();
    if !needs_address(service) || wanted == "None" || old.is_some_and(needs_address) {
        return Ok(());
    }
    let list = json!(items(&service["spec"], "clusterIPs"));
    let refuse = |problem: String| Err(FieldError::invalid("spec.clusterIPs", &list, &problem));
    if wanted.is_empty() {
        let Some(address) = taken.free_address() else {
            return refuse("failed to allocate IP: range is full".to_owned());
        };
        let address = address.to_string();
        service["spec"]["clusterIP"] = json!(address);
        service["spec"]["clusterIPs"] = json!([address]);
        return Ok(());
    }
    let last = NETWORK.to_bits() + (1 << (32 - NETWORK_BITS)) - 1;
    let is_inside = match wanted.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => (NETWORK.to_bits() + 1..last).contains(&address.to_bits()),
        _ => false,
    };
    if !is_inside {
        return refuse(format!(
            "failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. \
             The range of valid IPs is {NETWORK}/{NETWORK_BITS}"
        ));
    }
    if !taken.is_dry_run() && taken.known().addresses.contains(&wanted) {
        return refuse(format!(
            "failed to allocate IP {wanted}: provided IP is already allocated"
        ));
    }
    Ok(())
}

fn give_ports(
    service: &mut Value,
    old: Option<&Value>,
    taken: &mut Taken<'_>,
) -> Result<(), FieldError> {
    if !has_ports_of_nodes(service) {
        return Ok(());
    }
    let mut own = old.map(node_ports).unwrap_or_default();
    let wants = text(&service["spec"], "type") == "NodePort"
        || service["spec"]["allocateLoadBalancerNodePorts"] != false;
    // One number serves a port of several protocols.
    let asked: Vec<(Value, i64)> = items(&service["spec"], "ports")
        .iter()
        .filter_map(|port| Some((port["port"].clone(), number(&port["nodePort"])?)))
        .collect();
    let mut given: Vec<(Value, i64)> = Vec::new();
    let ports = holdfast_kinds::items_mut(&mut service["spec"], "ports").iter_mut();
    for (index, port) in ports.enumerate() {
        let shared = |list: &[(Value, i64)]| {
            let mut found = list.iter().filter(|(number, _)| *number == port["port"]);
            found.next().map(|(_, node)| *node)
        };
        let shared = || shared(&given).or_else(|| shared(&asked));
        let wanted = number(&port["nodePort"]).or_else(|| shared().filter(|_| old.is_none()));
        let node = match wanted {
            None if !wants => continue,
            None => taken.free_port().ok_or_else(|| {
                let problem = "range is full";
                FieldError::invalid(format!("spec.ports[{index}].nodePort"), &json!(0), problem)
            })?,
            Some(wanted) if own.contains(&wanted) => wanted,
            Some(wanted) => {
                taken.claim_port(wanted).map_err(|problem| {
                    let field = format!("spec.ports[{index}].nodePort");
                    FieldError::invalid(field, &json!(wanted), &problem)
                })?;
                wanted
            }
        };
        own.insert(node);
        given.push((port["port"].clone(), node));
        port["nodePort"] = json!(node);
    }
    Ok(())
}

fn give_probe_port(service: &mut Value, taken: &mut Taken<'_>) -> Result<()> {
    let wanted = number(&service["spec"]["healthCheckNodePort"]);
    let given = match wanted {
        Some(wanted) => taken
            .claim_port(wanted)
            .map(|()| wanted)
            .map_err(|problem| {
                format!("failed to allocate requested HealthCheck NodePort {wanted}: {problem}")
            }),
        None => taken
            .free_port()
            .ok_or_else(|| "failed to allocate a HealthCheck NodePort 0: range is full".to_owned()),
    };
    service["spec"]["healthCheckNodePort"] = json!(given.map_err(ApiError::internal)?);
    Ok(())
}

/// Takes away what the new type does not have, where nobody has changed it as well.
fn shed(service: &mut Value, old: &Value) {
    let before = &old["spec"];
    let is_same = |service: &Value, name: &str| service["spec"][name] == before[name];
    if needs_address(old) && !needs_address(service) {
        if is_same(service, "clusterIPs") || items(&service["spec"], "clusterIPs").is_empty() {
            remove(service, "clusterIP");
            remove(service, "clusterIPs");
        }
        for name in ["ipFamilies", "ipFamilyPolicy"] {
            if is_same(service, name) {
                remove(service, name);
            }
        }
    }
    if has_ports_of_nodes(old)
        && !has_ports_of_nodes(service)
        && node_ports(service).is_subset(&node_ports(old))
    {
        for port in holdfast_kinds::items_mut(&mut service["spec"], "ports") {
            if let Some(fields) = port.as_object_mut() {
                fields.remove("nodePort");
            }
        }
    }
    if is_probed(old) && !is_probed(service) && is_same(service, "healthCheckNodePort") {
        remove(service, "healthCheckNodePort");
    }
    let is_balanced = |service: &Value| text(&service["spec"], "type") == "LoadBalancer";
    if is_balanced(old) && !is_balanced(service) {
        for name in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if is_same(service, name) {
                remove(service, name);
            }
        }
    }
    if is_outward(old) && !is_outward(service) && is_same(service, "externalTrafficPolicy") {
        remove(service, "externalTrafficPolicy");
    }
    if !needs_address(service) {
        remove(service, "internalTrafficPolicy");
    }
    if !is_balanced(service) {
        service["status"]["loadBalancer"] = json!({});
    }
}
