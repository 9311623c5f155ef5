// Package clientsuite runs the tests of EventStoreDB's Go client, as the vendor wrote them, against esdbserver. Twice:
//
//   - as a cluster: three servers over one embedded store, on localhost:2111 to 2113, where these tests look for one;
//   - as single nodes: the tests ask Docker to start servers of their own, and a stand-in for its API starts an
//     esdbserver for each. The database in the vendor's image cannot be had; one of the same shape takes its place,
//     and the files of expected events are written from what it holds.
//
// cluster.txt and single.txt name every one of those tests that is not run, skips itself or fails, with the reason.
// All others must pass, and the lists must be right: a test that is listed and passes is a failure too. The folder
// module pins what compiling the tests needs, which is no part of Daybook.
package clientsuite
