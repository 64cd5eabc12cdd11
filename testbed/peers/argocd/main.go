// Command argocd holds the two processes of Argo CD that keep Applications equal to Git, as its
// subcommands: argocd-application-controller and argocd-repo-server. `cargo xtask bench peers`
// measures them. All that they do is Argo CD's own module; this file only names them.
package main

import (
	"fmt"
	"os"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	argocd := &cobra.Command{Use: "argocd", SilenceErrors: true, SilenceUsage: true}
	argocd.AddCommand(controller.NewCommand(), reposerver.NewCommand())
	if err := argocd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
