/** Words and habits that lead every list of leaked passwords, in lower case; isCommonPassword knows their variations. */
export const COMMON_WORDS: ReadonlySet<string> = new Set(
  `
00000000 010203 0987654321 11111111 112233 11223344 1122334455 121212 123123 123321 12341234 12344321
123454321 123456789a 123456a 123456q 12345qwert 1234qwer 123abc 123qwe 123qweasd 131313 147147 147258369
147852369 159357 159753 1q2w3e 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 22222222 232323 2pac 33333333 44444444
50cent 5201314 55555555 66666666 741852963 77777777 789456123 88888888 963852741 987654321 99999999
a123456 a12345678 a123456789 a1b2c3 a1b2c3d4 aa123456 abc123 abc12345 abc123456 abc123abc abcd1234
abcdef abcdefg abcdefgh abigail access access14 acdc acmilan admin adminadmin administrator airforce
ajax alabama aladdin alejandra alejandro alex alexander alexandra alexis alice alien aliens allah always
amanda amber amen america american amore amoremio anakin andrew android angel angelica angelina angelo
angels anthony antonio anything apache apollo apple april aquaman aragorn ariel arizona army arsenal
arthur asd123 asdf asdfasdf asdfgh asdfghjk asdfghjkl ashley assassin asshole astros audi august austin
austinpowers australia autumn avengers azerty azertyuiop baby babyboy babydoll babygirl bacon badass
badboy badgirl bailey ballet bambi banana bandit barbie barca barcelona barney bartsimpson baseball
basketball bastard batman bayern beach beagle bear bears beatles beautiful beauty beaver beckham benfica
bengals benjamin bentley berlin bestfriend beyonce bigboy bigdaddy bigdick bigdog biggie bigmac biker
billiards bills birthday bismillah bitch black blackbird blackcat blackhawk blackie blackjack
blacksabbath blah blahblah blahblahblah blessed blessing blink182 blizzard blowjob blue bluebell
blueberry bluebird bluejays bluemoon blues bluesky bmw bobcat bobmarley bond007 bonita bonjour boobies
borussia boss boston bowling boxer boxing boy boys brandon brasil braveheart braves brazil brian britney
brittany brittney broncos bronze brother brown browns buddha budweiser buffalo bulldog bulldogs bulls
bullshit bumblebee bunnies bunny business buster butter buttercup butterfly byebye california callofduty
camaro camel camelot canada candy candyman captain captainamerica caramel cardinal cardinals carlos
carolina caroline cat catdog catherine cats catwoman celtic celtics challenger champion champions change
changeme charger chargers charizard charles charlie charlotte cheer cheerleader cheese cheesecake
cheetah chelsea cherokee cherry chevrolet chevy chewbacca chicago chicken children chimp chipmunk chivas
chocolate chouchou chris christ christian christina christine christmas christopher church ciao ciaociao
cinderella cinnamon cloud cloudy cobra cocacola coconut coffee coldplay college colorado colts comanche
company compaq computer contrasena contraseña cookie cookies cool coolcool cooldude coolness cooper
corazon corona correcthorsebatterystaple corvette cougar counterstrike country countrygirl courtney
cowboy cowboys cowgirl cowgirls cracker crazy crazygirl cricket crow crystal cubbies cubs cupcake cute
cutie cutiepie daddy daddysgirl daisy dakota dallas dance dancer dancing daniel daniela danielle dark
darkangel darkness darkside darling darthvader database david december default demo demon demons desert
desktop destiny devil devils dexter diablo diamond diamonds dickhead digimon dimadima dinosaur disney
disneyland dixie doctor dodge dodgers dog doggie doggy dogs dollar dollars dolphin dolphins donald
donaldduck donkeykong dortmund doudou dracula dragon dragonball dragonfly dragons dream dreamer dreams
drpepper drummer drums ducati duchess duck ducky dude dudedude dumbass dumbledore dumbo eagle eagles
eduardo edward elephant elizabeth elvis emerald emily eminem emma engineer england enterprise eric
espresso estrella eternity evanescence everton everything evil example excalibur extreme facebook faith
falcon falcons familia family familyguy fantasy farmboy farmer father february fernando ferrari ficken
fiftycent firefighter fireman fish fishing flash florida flower flowers football ford forest forever
fortnite forzamilan fox foxy foxylady france francisco freedom friday friend friends frodo frog frogger
froggy fuck fucker fuckme fuckoff fuckyou funny fussball gabriel gabriela galaxy gandalf gangsta
gangster garden garfield garlic gecko geheim gentleman george georgia germany geronimo ghost ghosts
giants ginger giraffe girl girls gladiator god godbless godfather godisgood godzilla gohan goku gold
golden goldeneye goldfish golf golfer golfing good goodbye goodday goodluck google gorgeous gorilla
grace graduate grandma grandpa gray green greenday greentea gretzky gryffindor guest guinness guitar
gymnast gymnastics hacker hacking hahaha hahahaha halflife hallo halloween halo halo3 hamburger hamster
hannah hannahmontana happiness happy hardcore hardware harley harleydavidson harrypotter harvey haslo
hawaii hawk hawkeye hawks heather heaven heavenly heineken hello hellohello hellokitty helloworld
hermione highschool hiphop hobbit hockey hogwarts hola holahola holiday holy holyspirit homer
homersimpson honda honey honeybee honeybun hooters hope horse horses hotdog hotstuff hottie houston hulk
hummer hunter hurricane husky iamcool iamgod iamthebest iceman idiot ilovegod ilovejesus iloveme iloveu
iloveyou iloveyou520 iloveyousomuch imcool indiana indianajones infinity insane instagram intermilan
internet iphone ireland ironmaiden ironman isabella island itachi italia italy jackson jaguar james
jamesbond jamesbond007 january jasmine jason jasper jayz jazz jedi jedimaster jeep jennifer jessica
jesus jesuschrist jets jewel john johndeere joker jonasbrothers jonathan jordan jose joseph joshua juan
judo july june jupiter jurassic justice justin justinbieber juventus kangaroo karate kasia katherine
katie kawasaki kelly kevin keyboard kids killer killers kimberly king kingking kingkong kiss kisses
kissme kitten kitty kittycat knicks knight knights koala kobe kochanie kombat krishna kristen labrador
ladies lady ladybug lakers lalala lalalala lamborghini lancelot laptop laughing lauren lavender lawyer
leagueoflegends lebron ledzeppelin legend legolas lemon lemonade leopard letmein letmeinn liberty
lightning lily link linkedin linkin linkinpark linux lion lionking lions lisbon littleman littleone
liverpool lizard lkjhgfdsa login logitech lolita lollipop lollol london lordoftherings loser loulou love
lovelove lovely loveme lover lovers loveyou loving lucifer lucky luckyone luigi luis lukeskywalker
macaroni madison madonna madrid mafia maggie magic magician mama mamapapa man manager manchester mango
maniac manunited manutd march maria marina marine mariners marines mario mariposa mark marley marseille
martin marvel maserati master mateusz matrix matthew maverick max maximum maxwell may mazda megadeth
megan melissa mercedes mercury merlin messi metallica mets mewtwo mexico michael michelle mickey
mickeymouse microsoft midnight miguel milan military million millionaire minecraft minnie mister misty
mohammed molly mommy monday money monitor monkey monster monsters montana moon moonbeam moonlight
morning morpheus mortal moscow mosquito motdepasse mother motherfucker motocross motorcycle motorola
mountain mountaindew mouse muffin muhammad mulan murphy music musica musician mustang mylove mypass
mypassword mysecret mysql mystic nala naruto nascar natalia natalie natasha nathan nathaniel navajo navy
ncc1701 nemo neo neptune network never newcastle newyork nicholas nicole nikita ninja nintendo nirvana
nissan nokia noodle nothing november number1 numberone nurse obiwan ocean october office oliver olivia
onedirection onelove onetwo onetwothree onion opensesame operator oracle orange orchid orioles oscar
overwatch p@ssw0rd p@ssword packers pacman panda panther panthers papa paradise paramore paris parol
parola parrot pass passme passpass passw0rd passwd password passwort patches patricia patrick
patrickstar patriots paul peace peaceful peaches peanut pearl pegasus penguin penguins penis pepper
pepsi peter peterbilt peterpan phillies phoenix piano pickle pigeon pikachu pimp pimp101 pimpin
pineapple pink pinkfloyd pinky pirate pirates pistons pizza planet platinum playa playboy player
playstation playstation3 please pluto pocahontas pokemon poker polarbear police polska pony poodle porn
porsche postgres potato potter power powerful pray prayer precious predator pretty prince princesa
princess privet program psycho pumpkin puppies puppy purple pussy python q1w2e3r4 q1w2e3r4t5 qazwsx
qazwsxedc queen qwe123 qweasd qweasdzxc qweqwe qwer qwerqwer qwert qwerty qwertyu qwertyui qwertyuiop
rabbit rachel racing radiohead raiden raiders rain rainbow rainbows rambo rangers rapper raspberry raven
ravens realmadrid reaper rebecca rebel rebels red redbird reddog redhot redneck redred redskins redsox
reggae ricardo richard rihanna river robert roberto robin rock rockandroll rockets rockhard rocknroll
rockstar rocky rocky4 rockyou rollingstones ronaldo rooney root rootroot rose rosebud roses rottweiler
ruby rugby runescape runner running sabrina saints sakura samantha sammy sample samsung samuel samurai
samwise sandra sapphire sarah sasuke satan saturday saturn savannah saved savior scarface schalke schatz
schatzi school scooby scoobydoo scooter scorpion scotland sebastian sebastien secret security sega senha
september server service sesame sex sexsex sexy sexybitch sexygirl shadow shakira shark sharks shelby
shepherd shit shithead shogun shorty shrek sierra silver simba simpsons singer sister sixers skateboard
skating skeleton skull skulls skywalker slipknot slytherin smile smiles smiley smokey snake snickers
sniper snoopdog snoopy snow snowball snowboard snowflake snowman soccer softball software soldier soleil
something sommer sonic sony sophia sophie sopranos sorry southpark spaghetti spain sparky spartan
spartans spider spiderman spock spongebob spring sprite spurs squidward squirrel stallion star starbucks
starcraft stardust starfish starlight stars startrek starwars steelers stephanie stephen steven storm
stormtrooper stormy strawberry streetfighter stripper strong stronger student students stupid subaru
subzero success successful sugar summer sunday sunflower sunrise sunset sunshine superman support surfer
surfing suzuki sweet sweetheart sweetie sweetpea sweety swimmer swimming swinger sword sydney system
taylor teacher teamo teamomucho teddybear tekken temp temporary tennis tequiero tequieromucho tequila
terminator test tester testing testpass testtest tetris texans texas thankyou thebeatles thomas thor
thuglife thunder thursday thx1138 tiffany tiger tigers tigger tinker tinkerbell titan titanic titans
together tokiohotel tokyo tomato toor topgun topsecret tornado tortoise toshiba tottenham toyota tractor
trinity trojan trojans truck trucker trucks truelove trumpet trustme trustno1 tucker tuesday tulip tupac
turkey turquoise turtle turtles twitter tyler ubuntu ultimate unicorn universe university user username
userpass useruser usuario vacation vader valentina valentine vampire vanessa vegeta venus veronica
victoria victory viking vikings violet violin viper virginia vladimir vodka voldemort volkswagen
volleyball voyager wachtwoord warcraft warrior warriors wednesday weekend welcome welkom werewolf whale
whatever whiskey white whiteboy wicked wildcat wildcats william windows winner winners winter wizard
wizards woaini woaini1314 woaini520 wolf wolfpack wolverine wolves woman women wonder wonderland
wonderwoman woods work worker worldofwarcraft wrestler wrestling xbox xbox360 xxx yamaha yankee yankees
yellow yoda youtube zachary zaq12wsx zaq1zaq1 zebra zelda zidane zombie zombies zxcv zxcvbn zxcvbnm
zxcvzxcv
`
    .trim()
    .split(/\s+/),
);
