//! The embedded API server answers as the real one did.

use holdfast_cluster::{Cluster, Options};
use holdfast_conformance::{differences, known_differences, play, read_answers, read_scripts};
use kube::Client;

#[tokio::test]
async fn every_step_is_answered_as_by_a_real_api_server() {
    let known = known_differences().expect("the list can be read");
    let mut wrong = Vec::new();
    let mut unneeded: Vec<&String> = known.keys().collect();
    for script in read_scripts().expect("the scripts can be read") {
        let cluster = Cluster::new(Options::default());
        let client = Client::new(cluster.service(), "default");
        let answers = play(&client, &script).await.expect("the script plays");
        let expected = read_answers(&script.name).expect("it was recorded");
        assert_eq!(
            answers.len(),
            expected.len(),
            "{} was recorded before it changed",
            script.name
        );
        for (index, (expected, found)) in expected.iter().zip(&answers).enumerate() {
            let place = format!("{}/{}", script.name, index + 1);
            let lines = differences(expected, found);
            if lines.is_empty() || known.contains_key(&place) {
                if !lines.is_empty() {
                    unneeded.retain(|known| **known != place);
                }
                continue;
            }
            wrong.push(format!("{place}:\n    {}", lines.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unneeded.is_empty(), "these no longer differ: {unneeded:?}");
}
