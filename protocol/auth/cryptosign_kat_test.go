package auth

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// signVector is one of the specification's test vectors, and its result with and without
// the channel id.
type signVector struct {
	seed, public, challenge string
	unbound, bound          string // signature and message
}

func signVectors() []signVector {
	return []signVector{
		{
			seed:      "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
			public:    "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d",
			challenge: strings.Repeat("ff", 32),
			unbound: "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e7" +
				"5013517c2cf067ad566a6b7b728e5d03ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			bound: "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3e80d49d44c29d1635da9348d02ec93f3" +
				"ed1ef227dfb59a07b580095c2b82f80f9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
		},
		{
			seed:      "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
			public:    "6ed32739ff04a6074044ff0b0e3bfc7c856bc9d5f1d25efc57363bda0af3a8b0",
			challenge: "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
			unbound: "d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372190374886a70207b042294af5bd64ce7" +
				"25cd8dceb344e6d11c09d1aaaf4d660fb26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
			bound: "305aaa3ac25e98f651427688b3fc43fe7d8a68a7ec1d7d61c61517c519bd4a427c3015599d83ca28b4c6523339202238" +
				"44ef0725eb5dc2febfd6af7677b73f01d0852a29b460fc92ec943242ac638a053bbacc200512b18b30d15083cbdc9282",
		},
		{
			seed:      "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
			public:    "28e11f427b82b9a625ee7ac89a7d29326b505f2dc11dd88c1245f83b6da79a85",
			challenge: "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
			unbound: "7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1ec184e206746fd82bda075af03711d3d5" +
				"658fc84a76196b0fa8d1ebc92ef9f30bb05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
			bound: "ee3c7644fd8070532bc1fde3d70d742267da545d8c8f03e63bda63f1ad4214f4d2c4bfdb4eb9526def42deeb7e31602a" +
				"6ff99eba893e0a4ad4d45892ca75e608d2b75e24a189a7f78ca776ba36fc53f6c3e31c32f251f2c524f0a44202f2902d",
		},
	}
}

func parse32(t *testing.T, text string) [32]byte {
	t.Helper()
	octets, err := parseHex32(text)
	require.NoError(t, err)
	return octets
}

func TestCryptosignVectors(t *testing.T) {
	t.Parallel()
	id := channelID(parse32(t, specChannelID))
	for _, v := range signVectors() {
		t.Run(v.public[:8], func(t *testing.T) {
			t.Parallel()
			key, err := ParseSigningKey(v.seed)
			require.NoError(t, err)
			require.Equal(t, v.public, key.PublicKey().String())
			ch := challenge(parse32(t, v.challenge))
			require.Equal(t, v.unbound, key.sign(ch, nil))
			require.Equal(t, v.bound, key.sign(ch, &id))
			require.NoError(t, key.PublicKey().verify(ch, nil, v.unbound))
			require.NoError(t, key.PublicKey().verify(ch, &id, v.bound))
			require.Error(t, key.PublicKey().verify(ch, &id, v.unbound))
			require.Error(t, key.PublicKey().verify(ch, nil, v.bound))
			require.Equal(t, challenge(parse32(t, v.challenge)), ch, "signing must not change the challenge")
		})
	}
}

// TestCryptosignExchanges verifies the exchanges that the specification prints. There, the
// private keys are not known.
func TestCryptosignExchanges(t *testing.T) {
	t.Parallel()
	const (
		client = "545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122"
		router = "4a3838f6fe75251e613329d53fc69b262d5eac97fb1d73bebbaed4015b53c862"
		// The third example is of another client, and does not print the channel id, which
		// either signature gives away.
		client3 = "12ae0184b180e9a9c5e45be4a1afbce3c6491320063701cd9c4011a777d04089"
		ex3ID   = "bd5b9ef32d574c39617a2e3cbf0844859165acb9443b1d7b49a004b68b82281e"
		ex2ID   = "e973bee24dcea9e20625f949c0e3cd28d632ccbefe4907c2fac2728710f7b160"
	)
	tests := []struct{ name, signer, challenge, id, signature, message string }{
		{
			"basic flow", client, "fa034062ad76352b53a25358854577730db82f367aa439709c91296d04a5716c", "",
			"e2f0297a193b63b7a4a92028e9e2e6107f82730560d54a657bd982cb4b3151490399debbbde998e494d3c3b2a5e2e91271291e10dee85a6cfaa127885ddd8b0a",
			"fa034062ad76352b53a25358854577730db82f367aa439709c91296d04a5716c",
		},
		{
			"example 1, router", router, "bbae60ea44cdd7b20dc7010a618b0f0803fab25a817520b4b7f057299b524deb", "",
			"fd5128d2d207ba58a9d1d6f41b72c747964ad9d1294077b3b1eee6130b05843ab12c53c7f2519f73d4feb82db19d8ca0fc26b62bde6518e79a882f5795bc9f00",
			"bbae60ea44cdd7b20dc7010a618b0f0803fab25a817520b4b7f057299b524deb",
		},
		{
			"example 1, client", client, "0e9192bc08512c8198da159c1ae600ba91729215f35d56102ee318558e773537", "",
			"a3a178fe792ed772a8fc092f8341e455de96670c8901264a7c312dbf940d5743626fe9fbc29b23dcd2169b308eca309de85a89ccd296b24835de3d95b16b7703",
			"0e9192bc08512c8198da159c1ae600ba91729215f35d56102ee318558e773537",
		},
		{
			"example 2, router", router, "4f861f12796c2972b7b0026522a687aa851d90355122a61d4f1fdce4d06b564f", ex2ID,
			"aa05f4cd7747d36b79443f1d4703a681e107edc085d876b508714e2a3a8135bacaae1c018452c4acb3ad2818aa97a6d23e5ac7e3734c7b1f40e6232a70938205",
			"a6f5a1f034a28090b195fb2ce2454a82532f5c8baf6ba1dfb5ddae63c09ce72f",
		},
		{
			"example 2, client", client, "358625312c6c3bf64ed51d17d210ce21af1639c774cabf5735a9651d7d91fc6a", ex2ID,
			"25114474580d6e99a6126b091b4565c23db567d686c5b8c3a94e3f2f09dc80300c5b40a124236733fa56396df721eb12ac092362379bd5b27b4db9e2beaa1408",
			"dcf59bd361a2921448f0e45e12f303097924f5798a83b895cf6b179a6d664d0a",
		},
		{
			"example 3, router", router, "2763e7fdb1c34a74e8497daf6c913744d11161a94cec3b16aeec60a788612e17", ex3ID,
			"ce456092998d796533d7ef2bab543300409d161066c9520c9284df6bbfb82947b37fb78d69fd56e5118afec62e35e015c60569af2e18ed92fedc738552242d03",
			"9a38790e9c94064d89335393d39973c14074cd1008d7266de74c641103e30609",
		},
		{
			"example 3, client", client3, "e4b40f72f9604754789d472225483bace926b9668d72c9122545e540d8d98f23", ex3ID,
			"16c89629e72aff3f44661e701341b2221a2fa9d93205826fad85e70d3a8dab70a8f54314c14d470ebeb77a0dd16c833928c01134a52b2e73862b7d3f258b6000",
			"59ef9181d4370b6d19e7691e9a407f29784315dfc949d4696ce5e1f6535ba73d",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var id *channelID
			if tt.id != "" {
				id = new(channelID)
				*id = parse32(t, tt.id)
			}
			signer, err := ParsePublicKey(tt.signer)
			require.NoError(t, err)
			ch := challenge(parse32(t, tt.challenge))
			require.Equal(t, tt.message, hex.EncodeToString(ch.signed(id)))
			require.Equal(t, challenge(parse32(t, tt.challenge)), ch)
			require.NoError(t, signer.verify(ch, id, tt.signature+tt.message))
			require.NoError(t, signer.verify(ch, id, strings.ToUpper(tt.signature+tt.message)))
			ch[31] ^= 1
			require.Error(t, signer.verify(ch, id, tt.signature+tt.message))
		})
	}
}

// TestCryptosignAlice is Crossbar.io's demo user alice, as a whole exchange.
func TestCryptosignAlice(t *testing.T) {
	t.Parallel()
	key, err := ParseSigningKey("6e3a302aa67d55ffc2059efeb5cf679470b37a26ae9ac18693b56ea3d0cd331c")
	require.NoError(t, err)
	client, err := NewCryptosignClient(newCounter(), CryptosignConfig{Key: key})
	require.NoError(t, err)
	hello := &protocol.HelloDetails{AuthExtra: client.HelloExtra()}
	require.Equal(t, protocol.Dict{"pubkey": "020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66"}, hello.AuthExtra)

	server, err := NewCryptosignServer(newCounter(), issued, hello, CryptosignServerConfig{})
	require.NoError(t, err)
	require.Equal(t, key.PublicKey(), server.ClientKey())
	ch := server.Challenge()
	require.Equal(t, protocol.Dict{
		"challenge": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "channel_binding": nil,
	}, ch.Extra)
	answer, err := client.Answer(ch.Extra)
	require.NoError(t, err)
	require.Len(t, answer.Signature, 192)
	require.NoError(t, server.Verify(issued, answer))
	require.NoError(t, client.Verify(&protocol.WelcomeDetails{}))
}
