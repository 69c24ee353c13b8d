// The shapes that yt-dlp-ejs looks for in the syntax tree of a player: both challenges are solved by reversing.
var _yt_player={};(function(g){var first=1;
var cfg={signatureTimestamp:20400};
function K(u){this.m={}}
K.prototype.set=function(k,v){this.m[k]=v};K.prototype.get=function(k){return this.m[k]};K.prototype.clone=function(){return this};
K.prototype.x9=function(){this.m.n=this.m.n?this.m.n.split("").reverse().join(""):null};
var W=function(a,b,c){var u=new K(a);u.set("alr","yes");c&&u.set(b,encodeURIComponent(decodeURIComponent(c).split("").reverse().join("")));return u};
})(_yt_player);
