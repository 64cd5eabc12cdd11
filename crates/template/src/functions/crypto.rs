//! Certificates, keys and passwords, drawn from the entropy of the render.
//!
//! It must not use any other source of chance, nor a clock.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;

use aes::Aes256;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use holdfast_go::base64;
use holdfast_model::digest::hmac;

use super::arguments::{any, bytes, int, text};
use super::dates::present;
use crate::crypto::key::Key;
use crate::crypto::x509::{self, Subject};
use crate::crypto::{bcrypt, curve, dsa, edwards, hash, pem, rsa};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::{Object, Value};

/// What a certificate function gives: `.Cert` and `.Key`.
struct Certificate {
    certificate: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &str {
        "sprig.certificate"
    }

    fn kind(&self) -> &'static str {
        "struct"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::text(&self.certificate)),
            "Key" => Some(Value::text(&self.key)),
            _ => None,
        }
    }

    fn call(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
        None
    }

    fn entries(&self) -> Vec<(Rc<str>, Value)> {
        vec![
            (Rc::from("Cert"), Value::text(&self.certificate)),
            (Rc::from("Key"), Value::text(&self.key)),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What every certificate and private key costs of a render's bytes: they take time to draw.
const KEY_CHARGE: usize = 16 << 20;

fn draw_rsa(run: &mut Run<'_>, bits: usize) -> Result<Key, Error> {
    run.charge(KEY_CHARGE)?;
    let chance = run.chance.call();
    Ok(Key::Rsa(Box::new(rsa::Key::draw(chance, bits))))
}

fn given_key(run: &mut Run<'_>, arguments: &[Value], index: usize) -> Result<Key, Error> {
    run.charge(KEY_CHARGE)?;
    run.chance.call();
    Key::read(&text(arguments, index))
        .map_err(|message| Error::execute(format!("parsing private key: {message}")))
}

fn texts<'a>(value: &'a Value, problem: &str) -> Result<Vec<&'a str>, Error> {
    let Value::List(list) = value else {
        return Ok(Vec::new());
    };
    let items = list.items().iter().map(|item| match item {
        Value::Text(text) => Ok(&**text),
        other => Err(Error::execute(format!(
            "error {problem}: a {} is not a string",
            other.type_name()
        ))),
    });
    items.collect()
}

/// The addresses and names that a certificate is for.
fn subject(arguments: &[Value]) -> Result<Subject, Error> {
    let mut addresses = Vec::new();
    for address in texts(any(arguments, 1), "parsing ip")? {
        let parsed: IpAddr = address
            .parse()
            .map_err(|_| Error::execute(format!("error parsing ip: {address}")))?;
        addresses.push(match parsed {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        });
    }
    let names = texts(any(arguments, 2), "processing alternate dns name")?;
    Ok(Subject {
        common_name: text(arguments, 0).into_owned(),
        addresses,
        names: names.into_iter().map(str::to_owned).collect(),
        days: int(arguments, 3),
        is_authority: false,
    })
}

fn authority(arguments: &[Value]) -> Subject {
    Subject {
        common_name: text(arguments, 0).into_owned(),
        addresses: Vec::new(),
        names: Vec::new(),
        days: int(arguments, 1),
        is_authority: true,
    }
}

fn self_signed(run: &mut Run<'_>, subject: &Subject, key: &Key) -> Outcome {
    let now = present(run);
    let made = x509::certificate(&mut run.chance, subject, key, None, now);
    Ok(certificate(&made, key))
}

fn certificate(made: &[u8], key: &Key) -> Value {
    Value::Object(Rc::new(Certificate {
        certificate: pem::encode("CERTIFICATE", made),
        key: key.write(),
    }))
}

pub(super) fn gen_ca(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let key = draw_rsa(run, 2048)?;
    self_signed(run, &authority(arguments), &key)
}

pub(super) fn gen_ca_with_key(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let key = given_key(run, arguments, 2)?;
    self_signed(run, &authority(arguments), &key)
}

pub(super) fn gen_self_signed(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let subject = subject(arguments)?;
    let key = draw_rsa(run, 2048)?;
    self_signed(run, &subject, &key)
}

pub(super) fn gen_self_signed_with_key(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let subject = subject(arguments)?;
    let key = given_key(run, arguments, 4)?;
    self_signed(run, &subject, &key)
}

pub(super) fn gen_signed(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let subject = subject(arguments)?;
    let key = draw_rsa(run, 2048)?;
    signed(run, &subject, &key, any(arguments, 4))
}

pub(super) fn gen_signed_with_key(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let subject = subject(arguments)?;
    let key = given_key(run, arguments, 5)?;
    signed(run, &subject, &key, any(arguments, 4))
}

fn signed(run: &mut Run<'_>, subject: &Subject, key: &Key, authority: &Value) -> Outcome {
    let holder = match authority {
        Value::Object(object) => object.as_any().downcast_ref::<Certificate>(),
        _ => None,
    };
    let Some(holder) = holder else {
        return Err(Error::execute("unable to decode certificate"));
    };
    let block = pem::decode(&holder.certificate)
        .ok_or_else(|| Error::execute("unable to decode certificate"))?;
    let (issuer, public) = x509::read(&block.bytes)
        .ok_or_else(|| Error::execute("error parsing certificate: decodedSignerCert.Bytes"))?;
    let signing_key = Key::read(&holder.key)
        .map_err(|message| Error::execute(format!("error parsing private key: {message}")))?;
    if signing_key.public_info() != public {
        return Err(Error::execute(
            "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
        ));
    }
    let now = present(run);
    let signer = Some((&issuer, &signing_key));
    let made = x509::certificate(&mut run.chance, subject, key, signer, now);
    Ok(certificate(&made, key))
}

pub(super) fn build_custom(arguments: &[Value]) -> Outcome {
    let decoded = |index: usize, what: &str| {
        let decoded = base64::decode(bytes(arguments, index));
        decoded
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|_| Error::execute(format!("unable to decode base64 {what}")))
    };
    let certificate = decoded(0, "certificate")?;
    let key = decoded(1, "private key")?;
    let block =
        pem::decode(&certificate).ok_or_else(|| Error::execute("unable to decode certificate"))?;
    x509::read(&block.bytes)
        .ok_or_else(|| Error::execute("error parsing certificate: decodedCert.Bytes"))?;
    Key::read(&key)
        .map_err(|message| Error::execute(format!("error parsing private key: {message}")))?;
    Ok(Value::Object(Rc::new(Certificate { certificate, key })))
}

pub(super) fn gen_private_key(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    run.charge(KEY_CHARGE)?;
    let chance = run.chance.call();
    let key = match &*text(arguments, 0) {
        "" | "rsa" => Key::Rsa(Box::new(rsa::Key::draw(chance, 4096))),
        "dsa" => {
            return Ok(Value::from(pem::encode(
                "DSA PRIVATE KEY",
                &dsa::draw(chance),
            )));
        }
        "ecdsa" => match curve::Key::draw(chance) {
            Some(key) => Key::Curve(key),
            None => return Err(Error::execute("failed to generate private key")),
        },
        "ed25519" => {
            let mut seed = [0; 32];
            chance.fill(&mut seed);
            Key::Edwards(edwards::Key::of(seed))
        }
        other => return Ok(Value::from(format!("Unknown type {other}"))),
    };
    Ok(Value::from(key.write()))
}

fn bcrypt_text(run: &mut Run<'_>, password: &[u8]) -> Result<String, Error> {
    run.charge(KEY_CHARGE)?;
    let mut salt = [0; 16];
    run.chance.call().fill(&mut salt);
    let hashed = bcrypt::hash(password, salt);
    Ok(hashed.unwrap_or_else(|| {
        "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned()
    }))
}

pub(super) fn bcrypt_function(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::from(bcrypt_text(run, bytes(arguments, 0))?))
}

pub(super) fn htpasswd(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let user = text(arguments, 0);
    if user.contains(':') {
        return Ok(Value::from(format!("invalid username: {user}")));
    }
    let hashed = bcrypt_text(run, bytes(arguments, 1))?;
    Ok(Value::from(format!("{user}:{hashed}")))
}

/// The templates of passwords, a letter for each class of characters.
fn password_templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn password_letters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

const PASSWORD_SEED: &[u8] = b"com.lyndir.masterpassword";

pub(super) fn derive_password(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let kind = text(arguments, 1);
    let Some(templates) = password_templates(&kind) else {
        return Ok(Value::from(format!("cannot find password template {kind}")));
    };
    run.charge(KEY_CHARGE * 2)?;
    let counter = u32::try_from(int(arguments, 0)).unwrap_or(0);
    let counted = |text: &[u8]| {
        let mut out = PASSWORD_SEED.to_vec();
        out.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(text);
        out
    };
    let key = hash::scrypt(bytes(arguments, 2), &counted(bytes(arguments, 3)));
    let mut message = counted(bytes(arguments, 4));
    message.extend(counter.to_be_bytes());
    let seed = hmac(&key, &message);
    let template = templates[usize::from(seed[0]) % templates.len()];
    let password = template.bytes().zip(&seed[1..]).map(|(class, byte)| {
        let letters = password_letters(class);
        char::from(letters[usize::from(*byte) % letters.len()])
    });
    Ok(Value::from(password.collect::<String>()))
}

/// A cipher by a password, cut or filled with zeros to the length of a key.
fn cipher(arguments: &[Value]) -> Aes256 {
    let mut key = [0; 32];
    for (byte, given) in key.iter_mut().zip(bytes(arguments, 0)) {
        *byte = *given;
    }
    Aes256::new(&key.into())
}

const AES_BLOCK: usize = 16;

pub(super) fn encrypt_aes(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let mut content = bytes(arguments, 1).to_vec();
    if content.is_empty() {
        return Ok(Value::text(""));
    }
    let padding = AES_BLOCK - content.len() % AES_BLOCK;
    content.extend(std::iter::repeat_n(
        u8::try_from(padding).unwrap_or(0),
        padding,
    ));
    let cipher = cipher(arguments);
    let mut previous = [0; AES_BLOCK];
    run.chance.call().fill(&mut previous);
    let mut out = previous.to_vec();
    for chunk in content.chunks(AES_BLOCK) {
        for (byte, plain) in previous.iter_mut().zip(chunk) {
            *byte ^= plain;
        }
        let mut block = previous.into();
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    Ok(Value::from(base64::encode(&out)))
}

pub(super) fn decrypt_aes(arguments: &[Value]) -> Outcome {
    let sealed = base64::decode(bytes(arguments, 1))
        .map_err(|at| Error::execute(format!("illegal base64 data at input byte {at}")))?;
    if sealed.is_empty() {
        return Ok(Value::text(""));
    }
    if sealed.len() < 2 * AES_BLOCK || sealed.len() % AES_BLOCK != 0 {
        return Err(Error::execute("crypto/cipher: input not full blocks"));
    }
    let cipher = cipher(arguments);
    let mut out = Vec::with_capacity(sealed.len());
    for pair in sealed.windows(2 * AES_BLOCK).step_by(AES_BLOCK) {
        let mut plain = [0; AES_BLOCK];
        plain.copy_from_slice(&pair[AES_BLOCK..]);
        let mut block = plain.into();
        cipher.decrypt_block(&mut block);
        let plain: [u8; AES_BLOCK] = block.into();
        out.extend(plain.iter().zip(pair).map(|(byte, before)| byte ^ before));
    }
    let padding = out.last().copied().map_or(0, usize::from);
    let Some(kept) = out.len().checked_sub(padding) else {
        return Err(Error::execute("runtime error: slice bounds out of range"));
    };
    out.truncate(kept);
    Ok(Value::string(out))
}
