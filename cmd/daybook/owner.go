package main

import (
	"errors"
	"fmt"
	"time"

	"daybook/internal/app"
	"daybook/internal/auth"
)

type tokenCmd struct {
	Owner tokenOwnerCmd `cmd:"" help:"Print an access token for a local owner, who is made on first use. Works while the server runs."`
}

type tokenOwnerCmd struct {
	storage
	Subject string `required:"" help:"The owner's name." placeholder:"NAME"`
}

var errNoLocalSignIn = errors.New("the local sign-in is not enabled here: set DAYBOOK_LOCAL_SIGN_IN=true (--local-sign-in) to allow it")

func (c *tokenOwnerCmd) Run(p *program) error {
	if !c.config(p.log).LocalSignIn {
		return errNoLocalSignIn
	}
	dir, err := app.OpenDataDir(c.Data)
	if err != nil {
		return err
	}
	secret, err := dir.Secret()
	if err != nil {
		return err
	}
	ownerID, err := dir.Profiles().OwnerID(c.Subject)
	if err != nil {
		return err
	}
	token, err := auth.NewOwners(secret, time.Now).Issue(ownerID)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, token)
	return nil
}
