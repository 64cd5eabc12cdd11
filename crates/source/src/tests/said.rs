//! What ssh has written, in words that say what to do.

use crate::cause::Cause;
use crate::repository::Error;
use crate::trouble::reworded;

fn check(said: &str, expected: Cause, words: &str) {
    let error = Error::Unfetched {
        url: "git@git.example:shop.git".to_owned(),
        cause: Cause::SshEnded,
        message: "ssh ended without an answer".to_owned(),
    };
    let error = reworded(error, said);
    assert_eq!(error.cause(), Some(expected), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn what_ssh_has_written_is_said_in_words_of_its_own() {
    check(
        "No ED25519 host key is known for [git.example]:2222 and you have requested strict checking.\r\n\
         Host key verification failed.\r\n",
        Cause::HostUnknown,
        "known_hosts has no key for the host [git.example]:2222",
    );
    check(
        "@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@\r\n\
         Host key verification failed.\r\n",
        Cause::HostChanged,
        "not the one that known_hosts has",
    );
    check(
        "git@git.example: Permission denied (publickey).\r\n",
        Cause::WrongKey,
        "the host does not take the key",
    );
    check(
        "Load key \"/tmp/x/identity\": invalid format\r\ngit@git.example: Permission denied (publickey).\r\n",
        Cause::UnreadableKey,
        "cannot be read: invalid format",
    );
    check(
        "ssh: connect to host git.example port 22: Connection refused\r\n",
        Cause::Refused,
        "Connection refused",
    );
    check("", Cause::NotFound, "no git repository at that path");
    check(
        "a line of another kind\r\n",
        Cause::SshEnded,
        "ssh: a line of another kind",
    );
}
