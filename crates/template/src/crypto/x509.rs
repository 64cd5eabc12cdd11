//! Certificates as `genCA` and its kin make them.
//!
//! It must not read a clock; the present is handed in.

use num_bigint::BigUint;

use super::der;
use super::hash::sha256;
use super::key::Key;
use crate::chance::Chance;
use crate::moment::Moment;

/// What a certificate says.
pub(crate) struct Subject {
    pub(crate) common_name: String,
    pub(crate) addresses: Vec<Vec<u8>>,
    pub(crate) names: Vec<String>,
    pub(crate) days: i64,
    pub(crate) is_authority: bool,
}

/// Who signs a certificate: a name, a key, and the id of that key.
pub(crate) struct Issuer {
    pub(crate) name: Vec<u8>,
    pub(crate) key_id: Option<Vec<u8>>,
}

const SECONDS_OF_DAY: i64 = 86_400;

/// Makes a certificate of a key, signed by an issuer's key, or by its own when there is none.
pub(crate) fn certificate(
    chance: &mut Chance,
    subject: &Subject,
    key: &Key,
    signer: Option<(&Issuer, &Key)>,
    now: Moment,
) -> Vec<u8> {
    let name = common_name(&subject.common_name);
    let signing_key = signer.map_or(key, |(_, key)| key);
    let issuer_name = signer.map_or(&name, |(issuer, _)| &issuer.name);
    let mut serial = [0; 16];
    chance.fill(&mut serial);
    let until = Moment {
        seconds: now
            .seconds
            .saturating_add(subject.days.saturating_mul(SECONDS_OF_DAY)),
        ..now
    };
    // An id of the issuer's key is given only where the issuer is somebody else.
    let authority = signer
        .filter(|(issuer, _)| issuer.name != name)
        .and_then(|(issuer, _)| issuer.key_id.as_deref());
    let body = der::sequence(&[
        der::wrap(0xa0, &der::integer(&BigUint::from(2u8))),
        der::integer(&BigUint::from_bytes_be(&serial)),
        signing_key.signature_algorithm(),
        issuer_name.clone(),
        der::sequence(&[time(now), time(until)]),
        name,
        key.public_info(),
        der::wrap(0xa3, &der::sequence(&extensions(subject, key, authority))),
    ]);
    let signature = signing_key.sign(chance, &body);
    der::sequence(&[
        body,
        signing_key.signature_algorithm(),
        der::bits(&signature, 0),
    ])
}

fn common_name(text: &str) -> Vec<u8> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&byte);
    let tag = if text.bytes().all(is_plain) {
        0x13
    } else {
        0x0c
    };
    let pair = der::sequence(&[der::oid(&[0x55, 4, 3]), der::wrap(tag, text.as_bytes())]);
    der::wrap(der::SEQUENCE, &der::wrap(0x31, &pair))
}

/// Two digits of the year will do until 2049.
fn time(moment: Moment) -> Vec<u8> {
    let year = moment.civil().year;
    if (1950..2050).contains(&year) {
        return der::wrap(0x17, moment.format("060102150405Z").as_bytes());
    }
    der::wrap(0x18, moment.format("20060102150405Z").as_bytes())
}

fn extension(id: u8, critical: bool, content: &[u8]) -> Vec<u8> {
    let mut fields = vec![der::oid(&[0x55, 0x1d, id])];
    if critical {
        fields.push(der::wrap(der::BOOLEAN, &[0xff]));
    }
    fields.push(der::octets(content));
    der::sequence(&fields)
}

const KEY_USAGE: u8 = 15;
const EXTENDED_USAGE: u8 = 37;
const CONSTRAINTS: u8 = 19;
const SUBJECT_KEY_ID: u8 = 14;
const AUTHORITY_KEY_ID: u8 = 35;
const OTHER_NAMES: u8 = 17;

fn extensions(subject: &Subject, key: &Key, authority: Option<&[u8]>) -> Vec<Vec<u8>> {
    let usage = if subject.is_authority {
        der::bits(&[0xa4], 2)
    } else {
        der::bits(&[0xa0], 5)
    };
    let purpose = |last: u8| der::oid(&[0x2b, 6, 1, 5, 5, 7, 3, last]);
    let constraints = if subject.is_authority {
        der::sequence(&[der::wrap(der::BOOLEAN, &[0xff])])
    } else {
        der::sequence(&[])
    };
    let mut out = vec![
        extension(KEY_USAGE, true, &usage),
        extension(
            EXTENDED_USAGE,
            false,
            &der::sequence(&[purpose(1), purpose(2)]),
        ),
        extension(CONSTRAINTS, true, &constraints),
    ];
    if subject.is_authority {
        let id = &sha256(&key.public_bits())[..20];
        out.push(extension(SUBJECT_KEY_ID, false, &der::octets(id)));
    }
    if let Some(id) = authority {
        let content = der::sequence(&[der::wrap(0x80, id)]);
        out.push(extension(AUTHORITY_KEY_ID, false, &content));
    }
    let names = subject
        .names
        .iter()
        .map(|name| der::wrap(0x82, name.as_bytes()));
    let addresses = subject
        .addresses
        .iter()
        .map(|address| der::wrap(0x87, address));
    let all: Vec<Vec<u8>> = names.chain(addresses).collect();
    if !all.is_empty() {
        out.push(extension(OTHER_NAMES, false, &der::sequence(&all)));
    }
    out
}

/// What of a certificate its holder needs to sign others: its name, key id and public key.
pub(crate) fn read(bytes: &[u8]) -> Option<(Issuer, Vec<u8>)> {
    let mut body = der::Reader::new(bytes)
        .enter(der::SEQUENCE)?
        .enter(der::SEQUENCE)?;
    if body.peek() == Some(0xa0) {
        body.next()?;
    }
    // Serial number, algorithm, issuer and validity stand before the name.
    for _ in 0..4 {
        body.next()?;
    }
    let (_, _, name) = body.next()?;
    let (_, _, public) = body.next()?;
    let mut key_id = None;
    while let Some((tag, content, _)) = body.next() {
        if tag != 0xa3 {
            continue;
        }
        let mut extensions = der::Reader::new(content).enter(der::SEQUENCE)?;
        while let Some(mut extension) = extensions.enter(der::SEQUENCE) {
            let id = extension.take(der::OID)?;
            let mut last = extension.next()?;
            if last.0 == der::BOOLEAN {
                last = extension.next()?;
            }
            if id == [0x55, 0x1d, SUBJECT_KEY_ID] {
                key_id = der::Reader::new(last.1)
                    .take(der::OCTETS)
                    .map(<[u8]>::to_vec);
            }
        }
    }
    let issuer = Issuer {
        name: name.to_vec(),
        key_id,
    };
    Some((issuer, public.to_vec()))
}
