// Package clientsuite runs the tests of EventStoreDB's Go client, as the vendor wrote and compiled them, against
// esdbserver: three servers over one embedded store, on localhost:2111 to 2113, where these tests look for a cluster.
//
// outcomes.txt names every one of those tests that is not run, skips itself or fails, with the reason. All others must
// pass, and the list must be right: a test that is listed and passes is a failure too. The folder module pins what
// compiling them needs, which is no part of Daybook.
package clientsuite
