//! What kept a repository from being fetched, as one of a few causes, each with what to do about it.

/// What kept a repository from being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server wants credentials, and none were given.
    NoCredentials,
    /// The server does not take the credentials.
    WrongCredentials,
    /// There is no such repository, or none that whoever asks may see.
    NotFound,
    /// The server answered with an error.
    Status,
    /// Nothing listens there.
    Refused,
    /// The host has no address.
    Unresolved,
    /// The certificate is not trusted.
    Tls,
    /// No answer came in time.
    Silent,
    /// The connection was closed before the answer was whole.
    Closed,
    /// What answers does not speak git.
    NotGit,
    /// The program for ssh is missing.
    NoSsh,
    /// The program for ssh ended without an answer.
    SshEnded,
    /// Nobody has said which key a host of ssh has.
    HostUnknown,
    /// A host of ssh has another key than it is known by.
    HostChanged,
    /// The key for ssh cannot be read.
    UnreadableKey,
    /// A host of ssh does not take the key.
    WrongKey,
    /// It is something else.
    Other,
}

impl Cause {
    /// What a person can do.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::NoCredentials => {
                "create a Secret with username and password, bearerToken, or identity and known_hosts, \
                 and name it in spec.source.credentials"
            }
            Self::WrongCredentials => {
                "check the user, the token and its rights in the Secret that is named for it"
            }
            Self::NotFound => {
                "check the address; many servers say so of private repositories too, which need \
                 credentials"
            }
            Self::Status | Self::Closed => "it is tried again; check the server if it stays so",
            Self::Refused => "check the host and the port, and that the server runs",
            Self::Unresolved => "check the host's name, and the DNS of the engine",
            Self::Tls => {
                "check the certificate of the server, and that the engine trusts who issued it"
            }
            Self::Silent => "check the network between the engine and the server",
            Self::NotGit => "check the address; a proxy or a sign-in page may stand before it",
            Self::NoSsh => "install ssh where the engine runs, or use https",
            Self::SshEnded => {
                "check the host and the port, and that known_hosts in the Secret has the host's key, as \
                 ssh-keyscan prints it"
            }
            Self::HostUnknown => {
                "put the host's key, as `ssh-keyscan HOST` prints it (-p PORT for another port than 22), \
                 into known_hosts of the Secret, after comparing it with what the host's owner publishes"
            }
            Self::HostChanged => {
                "ask who runs the host whether its key was changed, and then replace it in known_hosts of \
                 the Secret; if it was not, somebody else answers in its place"
            }
            Self::UnreadableKey => {
                "identity in the Secret has to hold a private key as ssh-keygen writes it, without a \
                 passphrase"
            }
            Self::WrongKey => {
                "check that the public key of identity in the Secret is known to the host, and that the \
                 address names the right user, such as git@"
            }
            Self::Other => {
                "check the address, the network, and the Secret that the Stack names for it in \
                 spec.source.credentials or spec.render.credentials"
            }
        }
    }
}
