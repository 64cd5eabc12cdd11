//! The demo plays what it proposes.

use holdfast::demo::{Demo, play};

#[test]
fn the_demo_does_what_it_says() {
    crate::block_on(async {
        holdfast::wiring::install_crypto();
        let demo = Demo::start(None).await?;
        play(&demo).await
    });
}
