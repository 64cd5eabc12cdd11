//! Who may do what: accounts, tokens, roles, and acting as somebody else.

use super::on_both;

#[test]
fn roles_decide_what_somebody_may_do() {
    on_both("kc-access", async |clusters| {
        clusters
            .play(
                r#"
                = auth can-i create pods → yes
                = create serviceaccount robot → serviceaccount/robot created
                = create role reader --verb=get,list --resource=configmaps
                = create rolebinding reads --role=reader --serviceaccount=kc-access:robot
                = create configmap a --from-literal=x=1
                = auth can-i list configmaps --as=system:serviceaccount:kc-access:robot → yes
                = get cm a -o name --as=system:serviceaccount:kc-access:robot → configmap/a
                ! delete cm a --as=system:serviceaccount:kc-access:robot → cannot delete resource
                ! get secrets --as=nobody → User "nobody" cannot list
                ~ auth can-i --list --as=system:serviceaccount:kc-access:robot → configmaps
                = auth whoami --as=robot → robot
                "#,
            )
            .await?;
        let robot = "--as=system:serviceaccount:kc-access:robot";
        let no = clusters
            .kubectl
            .same(format!("auth can-i delete configmaps {robot}").as_str())
            .await?;
        assert_eq!((no.code, no.out.as_str()), (Some(1), "no\n"), "{no:?}");
        let token = clusters
            .kubectl
            .alike("create token robot --duration=1h")
            .await?;
        assert_eq!(token.code, Some(0), "{token:?}");
        assert!(token.out.trim().len() > 20, "a token is a long text");
        clusters
            .play(
                r#"
                ! create token none → "none" not found
                = create clusterrole kc-all --verb=* --resource=deployments.apps
                = create clusterrolebinding kc-all --clusterrole=kc-all --user=alice
                = auth can-i delete deployments.apps -A --as=alice → yes
                = describe role reader
                = describe rolebinding reads
                = get role → reader
                # FIXME: bindings have no table of their own yet.
                ~ get rolebinding → reads
                = delete clusterrole,clusterrolebinding kc-all
                "#,
            )
            .await?;
        Ok(())
    });
}
